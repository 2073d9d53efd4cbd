import ACME
import Testing

@Suite("Internationalised names (RFC 5891)")
struct InternationalizedNameTests {
    @Test(
        "To A-labels",
        arguments: [
            ("bücher.example", "xn--bcher-kva.example"), ("Bücher.Example", "xn--bcher-kva.example"),
            ("BÜCHER.example.", "xn--bcher-kva.example"),
            // decomposed
            ("bu\u{308}cher.example", "xn--bcher-kva.example"), ("*.bücher.example", "*.xn--bcher-kva.example"),
            // UTS 46 §5: the deviation characters are kept, as in IDNA2008
            ("faß.example", "xn--fa-hia.example"), ("βόλος.example", "xn--nxasmm1c.example"), ("ශ්‍රී.example", "xn--10cl1a0b660p.example"),
            ("中国", "xn--fiqs8s"), ("example.рф", "example.xn--p1ai"), ("日本・語.example", "xn--vek160nb2acz6g.example"),
            ("הגמרא.example", "xn--4dbdf5bwc.example"), ("col·lecció.example", "xn--collecci-ioa91d.example"),
            ("हिन्दी.example", "xn--j2bd4cyah0f.example"),
            ("plain.example", "plain.example"), ("a_b.example", "a_b.example"),
        ])
    func aLabels(text: String, expected: String) throws {
        #expect(try InternationalizedName.aLabels(text).lowercased() == expected + (text.hasSuffix(".") ? "." : ""))
        guard !text.contains("_") else { return }
        #expect(try Identifier(argument: text).value == expected)
        #expect(try DNSName(expected).text == expected)
    }

    @Test(
        "Not a name in any script",
        arguments: [
            "ｅxample.org", "example。org", "\u{212A}.org", "❤.example", "☃.example", "a\u{200D}b.example", "a\u{200C}b.example",
            "ä\u{200B}.example",
            "\u{202E}ä.example", "\u{308}a.example", "ä b.example", "ä_.example", "-ä.example", "ä-.example", "xn--ä.example",
            "ab--ä.example", "א1a.example",
            "1א.example", "א\u{5F0}x.example", "a·b.example", "・.example", "\u{660}\u{6F0}א.example", "ä\u{0}.example", "ä\n.example",
            "ä..example", "ä*.example",
            "\u{1100}\u{1161}\u{1160}.example", "½.example", "ä\u{E000}.example", "ä.exam\u{FFFD}ple", "①.example",
            String(repeating: "ä", count: 64) + ".example", String(repeating: "ä.", count: 2000),
        ])
    func refused(text: String) {
        #expect(throws: IdentifierError.self) { try Identifier(argument: text) }
    }

    @Test("What comes over a wire is never converted")
    func wire() {
        #expect(throws: IdentifierError.self) { try Identifier(type: "dns", value: "bücher.example") }
    }
}
