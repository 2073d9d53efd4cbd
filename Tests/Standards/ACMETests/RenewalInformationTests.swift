import ACME
import Testing

@Suite("Renewal information (RFC 9773)")
struct RenewalInformationTests {
    /// RFC 9773 appendix A.
    static let keyIdentifier: [UInt8] = [
        0x69, 0x88, 0x5B, 0x6B, 0x87, 0x46, 0x40, 0x41, 0xE1, 0xB3, 0x7B, 0x84, 0x7B, 0xA0, 0xAE, 0x2C, 0xDE, 0x01, 0xC8, 0xD4,
    ]

    @Test(
        "RFC 9773 §4.1, with and without the serial's sign byte",
        arguments: [[0x00, 0x87, 0x65, 0x43, 0x21], [0x87, 0x65, 0x43, 0x21], [0, 0, 0x87, 0x65, 0x43, 0x21]] as [[UInt8]])
    func certID(serial: [UInt8]) {
        #expect(
            RenewalInformation.certID(authorityKeyIdentifier: Self.keyIdentifier, serialNumber: serial)
                == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")
    }

    @Test("Serials without a sign byte, and zero")
    func serials() {
        #expect(RenewalInformation.certID(authorityKeyIdentifier: [1], serialNumber: [0x7F]) == "AQ.fw")
        #expect(RenewalInformation.certID(authorityKeyIdentifier: [1], serialNumber: [0]) == "AQ.AA")
        #expect(RenewalInformation.certID(authorityKeyIdentifier: [1], serialNumber: []) == "AQ.AA")
    }

    @Test("RFC 9773 §4.2")
    func window() throws {
        let information = try RenewalInformation(
            json: try value(
                #"{"suggestedWindow":{"start":"2025-01-02T04:00:00Z","end":"2025-01-03T04:00:00Z"},"explanationURL":"https://acme.example.com/docs/ari"}"#
            ))
        #expect(information.start == 1_735_790_400)
        #expect(information.end == 1_735_876_800)
        #expect(information.explanationURL == "https://acme.example.com/docs/ari")
    }

    @Test(
        "Not renewal information",
        arguments: [
            "{}", #"{"suggestedWindow":[]}"#, #"{"suggestedWindow":{"start":"2025-01-02T04:00:00Z"}}"#,
            #"{"suggestedWindow":{"start":"2025-01-02T04:00:00Z","end":"x"}}"#, #"{"suggestedWindow":{"start":1,"end":2}}"#,
            #"{"suggestedWindow":{"start":"2025-01-03T04:00:00Z","end":"2025-01-02T04:00:00Z"}}"#,
            #"{"suggestedWindow":{"start":"2025-01-03T04:00:00Z","end":"2025-01-03T04:00:00Z"}}"#,
        ])
    func none(json: String) throws {
        let json = try value(json)
        let error = #expect(throws: ACMEDocumentError.self) { try RenewalInformation(json: json) }
        #expect(error?.description.hasPrefix("the CA's renewal information does not follow RFC 9773") == true)
    }
}
