import ACME
import JOSE
import StrictJSON
import Testing

/// Thousands of damaged inputs from fixed seeds: nothing traps, and accepted input has the form that its type promises.
@Suite("Damaged input")
struct HostileInputTests {
    /// SplitMix64: the same inputs in every run.
    struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return value ^ (value >> 31)
        }
    }

    static let signs = Array("./:%@#?\\[]*-_ 0129afxzAZ\u{0}\n\r\u{1B}\u{7F}\u{80}é。\u{202E}\u{300}".unicodeScalars)

    static func damaged(_ text: String, _ random: inout Seeded) -> String {
        var scalars = Array(text.unicodeScalars)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let sign = signs.randomElement(using: &random) ?? "."
            let place = Int.random(in: 0...scalars.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: scalars.insert(sign, at: place)
            case 1 where place < scalars.count: scalars[place] = sign
            case 2 where place < scalars.count: scalars.remove(at: place)
            default: scalars.insert(contentsOf: scalars[..<place], at: place)
            }
        }
        return String(String.UnicodeScalarView(scalars.prefix(3000)))
    }

    @Test(
        "Names, addresses, URLs, contacts",
        arguments: ["www.example.org", "*.xn--bcher-kva.example", "192.0.2.10", "2001:db8::1:0:0:1", "bücher.example", "नमस्ते.example"])
    func names(seed: String) throws {
        var random = Seeded(state: UInt64(seed.utf8.count))
        for _ in 0..<1500 {
            let text = Self.damaged(seed, &random)
            if let name = try? DNSName(text) {
                #expect(try DNSName(name.text) == name)
                #expect(name.text.utf8.allSatisfy { (0x2A...0x7A).contains($0) } && name.text.utf8.count <= DNSName.maximumLength)
            }
            if let address = try? IPAddress(text) { #expect(try IPAddress(address.text) == address) }
            if let identifier = try? Identifier(argument: text) {
                #expect(try Identifier(type: identifier.type, value: identifier.value) == identifier)
            }
            if let url = try? ACMEURL("https://\(text)/a") {
                #expect(url.text.utf8.allSatisfy { (0x21...0x7E).contains($0) })
                #expect(try Origin("\(url.origin)") == url.origin)
            }
            if let url = try? ACMEURL("https://ca.example/\(text)") { #expect("\(url.origin)" == "https://ca.example") }
            if let contact = try? Contact("mailto:a@\(text)") { #expect(contact.text.utf8.allSatisfy { (0x21...0x7E).contains($0) }) }
            _ = try? KeyName(text)
        }
    }

    @Test("Dates", arguments: ["2026-11-24T23:43:00.5+01:00", "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "120"])
    func dates(seed: String) {
        var random = Seeded(state: 7)
        for _ in 0..<3000 {
            let text = Self.damaged(seed, &random)
            if let seconds = RFC3339.seconds(text) { #expect(RFC3339.seconds(RFC3339.string(seconds)) == seconds) }
            if let seconds = RetryAfter.seconds(text, now: .random(in: .min ... .max, using: &random)) { #expect(seconds >= 0) }
        }
    }

    @Test(
        "The CA's objects",
        arguments: [
            #"{"status":"pending","identifiers":[{"type":"dns","value":"a.org"}],"authorizations":["https://ca.example/a"],"finalize":"https://ca.example/f"}"#,
            #"{"identifier":{"type":"ip","value":"::1"},"status":"valid","challenges":[{"type":"dns-01","url":"https://ca.example/c","status":"valid","token":"x"}]}"#,
            #"{"type":"urn:ietf:params:acme:error:dns","detail":"x","status":400,"subproblems":[{"type":"x","identifier":{"type":"dns","value":"a"}}]}"#,
            #"{"suggestedWindow":{"start":"2025-01-02T04:00:00Z","end":"2025-01-03T04:00:00Z"}}"#,
        ])
    func objects(seed: String) {
        var random = Seeded(state: 11)
        for _ in 0..<1500 {
            let text = Self.damaged(seed, &random)
            guard let json = try? JSONDocument(parsing: Array(text.utf8)).root else { continue }
            _ = try? Order(json: json)
            _ = try? Authorization(json: json)
            _ = try? Directory(json: json)
            _ = try? Account(json: json)
            _ = try? RenewalInformation(json: json)
            for line in Problem(json: json).description.split(separator: "\n") {
                #expect(line.unicodeScalars.allSatisfy { TerminalText.isSafe($0) })
            }
        }
    }

    @Test("Random bytes as key, signature, JWS")
    func bytes() {
        var random = Seeded(state: 13)
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0..<100, using: &random)).map { _ in
                // Mostly small values and DER tags, so that some inputs have a structure.
                [0x30, 0x02, 0x03, 0x06, 0x05, 0x00, 0x80, 0x81, 0x82, UInt8.random(in: 0...255, using: &random), 0x04, 0x20]
                    .randomElement(using: &random) ?? 0
            }
            if let key = try? PublicKey(spki: bytes) { #expect(key.spki == bytes) }
            if let raw = ECDSASignature.raw(der: bytes, size: 32) { #expect(ECDSASignature.der(raw: raw) == bytes) }
            _ = try? FlattenedJWS(json: bytes)
            if let decoded = Base64URL.decode(bytes: bytes) { #expect(Base64URL.encodeBytes(decoded) == bytes) }
        }
    }
}
