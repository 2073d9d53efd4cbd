import Testing

@testable import AuditTrail

@Suite("Bounds of a record")
struct AuditBoundsTests {
    @Test("Of many names the first ones, their number and a hash of all are kept; no text exceeds its limit")
    func shorten() {
        var record = sample()
        record.identifiers = (0..<1_000).map { "n\($0)." + String(repeating: "a", count: 60) + ".example" }
        record.url = "https://acme.example/" + String(repeating: "x", count: 60_000)
        record.error = String(repeating: "k", count: 9_000)
        record.detail = String(repeating: "é", count: 9_000)
        let all = record.identifiers
        record.shorten()
        #expect(!record.identifiers.isEmpty && record.identifiers.count <= 8)
        #expect(record.identifiers == Array(all.prefix(record.identifiers.count)))
        let hash = AuditHash(of: Array((all.joined(separator: "\n") + "\n").utf8)[...]).text
        #expect(record.detail?.hasSuffix("; 1000 identifiers; SHA-256 of all, each with a newline: \(hash)") == true)
        #expect(record.approximateLength < 4_096)
    }

    @Test("A short record stays as it is")
    func short() {
        var record = sample()
        record.shorten()
        #expect(record == sample())
    }
}
