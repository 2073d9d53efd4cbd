import ACME
import CertificateStore
import Testing

@testable import acme_agent

/// `--not-before` and `--not-after`.
@Suite struct ValidityTests {
    private static let now: Int64 = 1_800_000_000

    @Test func aDateIsItsFirstOrLastSecond() throws {
        let validity = try Validity(notBefore: "2027-02-01", notAfter: "2027-03-31", now: Self.now)
        #expect(validity.notBefore.map { RFC3339.string($0) } == "2027-02-01T00:00:00Z")
        #expect(validity.notAfter.map { RFC3339.string($0) } == "2027-03-31T23:59:59Z")
        let time = try Validity(notBefore: nil, notAfter: "2027-03-31T12:00:00+02:00", now: Self.now)
        #expect(time.notBefore == nil && time.notAfter.map { RFC3339.string($0) } == "2027-03-31T10:00:00Z")
    }

    @Test(
        arguments: [
            ("soon", nil), (nil, "31.03.2027"), (nil, "2027-02-30"), (nil, "2026-12-31"), ("2027-04-01", "2027-03-31"), ("", nil),
        ] as [(String?, String?)])
    func whatIsNoValidityIsRefused(start: String?, end: String?) {
        #expect(throws: Failure.self) { try Validity(notBefore: start, notAfter: end, now: Self.now) }
    }
}
