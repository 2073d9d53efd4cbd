import ACME
import Testing

@Suite("Identifiers")
struct IdentifierTests {
    @Test(
        "From an argument",
        arguments: [
            ("Example.org", "dns", "example.org"), ("*.example.org", "dns", "*.example.org"), ("192.0.2.1", "ip", "192.0.2.1"),
            ("2001:DB8::1", "ip", "2001:db8::1"),
        ])
    func argument(text: String, type: String, value: String) throws {
        let identifier = try Identifier(argument: text)
        #expect(identifier.type == type)
        #expect(identifier.value == value)
        #expect("\(identifier)" == value)
        #expect(identifier.isWildcard == text.hasPrefix("*."))
        #expect(try Identifier(type: type, value: value) == identifier)
    }

    @Test("Neither a name nor an address", arguments: ["010.0.0.1", "1.2.3", "::ffff:1.2.3.4", "-rf", "", "a b", "[::1]"])
    func refused(text: String) {
        #expect(throws: IdentifierError.self) { try Identifier(argument: text) }
    }

    @Test("Types other than dns and ip, and those in another case", arguments: ["", "DNS", "IP", "email", "ip4", "dns\u{0}", "\u{1B}[2J"])
    func types(type: String) {
        #expect(throws: IdentifierError.unknownType(TerminalText.safe(type))) { try Identifier(type: type, value: "example.org") }
    }

    @Test("A name is not an address, and vice versa")
    func mixed() {
        #expect(throws: IdentifierError.self) { try Identifier(type: "dns", value: "192.0.2.1") }
        #expect(throws: IdentifierError.self) { try Identifier(type: "ip", value: "example.org") }
    }

    @Test("Names before addresses")
    func order() throws {
        let sorted = try ["::1", "b.org", "10.0.0.1", "a.org"].map { try Identifier(argument: $0) }.sorted()
        #expect(sorted.map(\.value) == ["a.org", "b.org", "10.0.0.1", "::1"])
    }
}
