import ACME
import Testing

@testable import CertificateStore

@Suite("Certificate names")
struct CertificateNameTests {
    @Test("From identifiers")
    func identifiers() throws {
        let long = String(repeating: "a", count: 60)
        let cases = [
            ("www.example.org", "www.example.org"), ("WWW.example.org.", "www.example.org"), ("*.example.org", "wildcard_.example.org"),
            ("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "ipv6_.2001-db8--1"), ("localhost", "localhost"),
        ]
        for (identifier, name) in cases {
            #expect(CertificateName(try Identifier(argument: identifier)).rawValue == name)
            #expect(try CertificateName(name).rawValue == name)
        }
        // Two long names that differ only at their end stay different, and both fit.
        let one = CertificateName(try Identifier(argument: "\(long).\(long).\(long).a.example"))
        let other = CertificateName(try Identifier(argument: "\(long).\(long).\(long).b.example"))
        #expect(one != other && one.rawValue.utf8.count == 128)
        #expect(try CertificateName(one.rawValue) == one)
    }

    @Test("Texts that are not names")
    func refused() {
        let texts = [
            "", ".", "..", "../x", "a/b", "/etc", "-rf", ".hidden", "a..b", "A", "*.example.org", "a b", "a\nb", "a\u{0}b", "\u{1B}[31m",
            "bücher",
            "2001:db8::1", String(repeating: "a", count: 129),
        ]
        for text in texts { #expect(throws: StoreError.self, "\(text)") { try CertificateName(text) } }
    }
}
