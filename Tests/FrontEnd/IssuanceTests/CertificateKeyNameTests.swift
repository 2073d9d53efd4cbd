import ACME
import CertificateStore
import Testing

@testable import Issuance

@Suite struct CertificateKeyNameTests {
    @Test func names() throws {
        let wildcard = CertificateName(try Identifier(argument: "*.example.org"))
        #expect(try CertificateKeyName.first(for: wildcard).rawValue == wildcard.rawValue)
        #expect(try CertificateKeyName.first(for: .init("_given")).rawValue == "given")
        #expect(try CertificateKeyName.first(for: .init(String(repeating: "a", count: 128))).rawValue.utf8.count <= 64)
        #expect(try CertificateKeyName.next(after: KeyName("www")).rawValue == "www-2")
        #expect(try CertificateKeyName.next(after: KeyName("www-2")).rawValue == "www-3")
        #expect(try CertificateKeyName.next(after: KeyName("www-1")).rawValue == "www-1-2")
        #expect(try CertificateKeyName.next(after: KeyName(String(repeating: "a", count: 64))).rawValue.utf8.count <= 64)
    }
}
