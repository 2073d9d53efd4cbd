import ACME
import Testing

@Suite("DNS names")
struct DNSNameTests {
    static let label63 = String(repeating: "a", count: 63)
    /// 253 characters: three labels of 63, one of 61.
    static let name253 = [label63, label63, label63, String(repeating: "b", count: 61)].joined(separator: ".")

    @Test(
        "One canonical form",
        arguments: [
            ("www.example.org", "www.example.org"), ("WWW.Example.ORG", "www.example.org"), ("www.example.org.", "www.example.org"),
            ("*.Example.org.", "*.example.org"), ("localhost", "localhost"), ("1.example.org", "1.example.org"),
            ("3com.example", "3com.example"), ("a-b.example", "a-b.example"), ("r3---sn.example", "r3---sn.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"), ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("xn--fiqs8s", "xn--fiqs8s"), ("xn--mgba3gch31f060k.example", "xn--mgba3gch31f060k.example"),
            ("xn--qei.example", "xn--qei.example"), ("xn--zca.example", "xn--zca.example"),
            ("xn--egbpdaj6bu4bxfgehfvwxn.org", "xn--egbpdaj6bu4bxfgehfvwxn.org"),
            ("xn--ihqwcrb4cv8a8dqg056pqjye.org", "xn--ihqwcrb4cv8a8dqg056pqjye.org"),
            ("xn--proprostnemluvesky-uyb24dma41a.org", "xn--proprostnemluvesky-uyb24dma41a.org"),
            ("xn--3b-ww4c5e180e575a65lsy2b.org", "xn--3b-ww4c5e180e575a65lsy2b.org"),
            ("xn---with-super-monkeys-pc58ag80a8qai00g7n9n.org", "xn---with-super-monkeys-pc58ag80a8qai00g7n9n.org"),
            ("example.xn--p1ai", "example.xn--p1ai"), ("x.1a", "x.1a"),
            (label63 + ".org", label63 + ".org"), (name253, name253), (name253 + ".", name253),
        ])
    func canonical(text: String, canonical: String) throws {
        let name = try DNSName(text)
        #expect(name.text == canonical)
        #expect(Array(name.text.utf8) == Array(canonical.utf8))
        #expect(try DNSName(name.text) == name)
        #expect("\(name)" == canonical)
    }

    @Test(
        "Not a name",
        arguments: [
            "", ".", "..", "example..org", ".example.org", "example.org..",
            // longer than a label or a name may be
            label63 + "a.org", name253 + "b", "a." + name253, String(repeating: "a.", count: 5000) + "org",
            // wildcards that are not the whole first label
            "*", "*.", "*.*.example.org", "a*.example.org", "*a.example.org", "www.*.org", "www.*", "**.example.org",
            // hyphens at the ends
            "-a.example", "a-.example", "-", "-rf", "a.-b",
            // signs
            "a_b.example", "exa mple.org", "example.org ", " example.org", "example.org\n", "example.org\r\n", "a\tb.org", "a\u{0}.org",
            "example.org:443", "https://example.org", "example.org/", "user@example.org", "example.org?x", "a,b.org", "a;b.org", "a\\b.org",
            "\u{1B}[31m.org", "example。org", "ex\u{200B}ample.org",
            // beyond ASCII, including look-alikes of ASCII
            "bücher.example", "еxample.org", "ｅxample.org", "\u{212A}.org", "straße.example",
            // addresses
            "127.0.0.1", "1.2.3", "10", "010.0.0.1", "0x7f.1", "256.256.256.256", "1.2.3.4.", "::1", "[::1]", "::ffff:1.2.3.4",
            "example.123",
            // punycode
            "xn--.example", "xn---.example", "xn--a.example", "xn--example-.org", "xn--abc-.org", "xn--99999999.example",
            "xn--bcher-kva!.org",
            "xn--bcher-kvaz99999999.example", "xn--0.example", "xn--a-0000000000000000000000000000000000.example",
            // U+00A0, U+200B, U+202E, U+E000 and U+FFFF in their A-labels (U+0080 is "xn--a" above)
            "xn--ab-1ca.example", "xn--ab-g1t.example", "xn--ab-g4t.example", "xn--ab-je4l.example", "xn--ab-mg4n.example",
        ])
    func refused(text: String) {
        #expect(throws: IdentifierError.self) { try DNSName(text) }
        #expect(throws: IdentifierError.self) { try Identifier(type: "dns", value: text) }
    }

    @Test("evil-example.org is not example.org, nor within it")
    func suffix() throws {
        let evil = try DNSName("evil-example.org")
        let example = try DNSName("example.org")
        #expect(evil != example)
        #expect(evil.labels.count == 2)
        #expect(!evil.text.hasSuffix("." + example.text))
    }

    @Test("A wildcard, its base and its labels")
    func wildcard() throws {
        let name = try DNSName("*.www.example.org")
        #expect(name.isWildcard)
        #expect(name.base == "www.example.org")
        #expect(name.labels == ["*", "www", "example", "org"])
        let plain = try DNSName("www.example.org")
        #expect(!plain.isWildcard)
        #expect(plain.base == "www.example.org")
        #expect(name != plain)
        #expect(try DNSName("*.localhost").isWildcard)
    }

    @Test("Names are compared as bytes")
    func order() throws {
        #expect(try DNSName("a.org") < DNSName("b.org"))
        #expect(try DNSName("*.a.org") < DNSName("0.a.org"))
    }

    @Test("Errors show the text without its escapes")
    func errors() {
        do throws(IdentifierError) {
            _ = try DNSName("\u{1B}[2Jx\n.org")
            Issue.record("taken")
        } catch {
            #expect("\(error)".hasPrefix("\"\u{FFFD}[2Jx\u{FFFD}.org\" is not a name: "))
        }
    }

    @Test("A thousand names are read one by one")
    func thousand() throws {
        let names = try (0..<1000).map { try DNSName("host\($0).example.org") }
        #expect(Set(names).count == 1000)
    }
}
