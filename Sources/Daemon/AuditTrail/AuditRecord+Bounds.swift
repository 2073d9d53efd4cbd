/// The bounds of a record that a caller without any grant can cause: a fixed number of bytes, whatever was asked for.
extension AuditRecord {
    /// Bytes of each text, and of all names together.
    private static let longestText = 512
    private static let names = 8

    /// Shortens texts, and keeps only the first identifiers. `detail` then has their number and a hash of all, so that
    /// a person with the request can show that it is this one.
    public mutating func shorten() {
        var length = 0
        var kept = 0
        for identifier in identifiers.prefix(AuditRecord.names) {
            length += identifier.utf8.count
            guard length <= AuditRecord.longestText else { break }
            kept += 1
        }
        detail = detail.map(AuditRecord.shortened)
        if kept < identifiers.count {
            var all: [UInt8] = []
            for identifier in identifiers {
                all.append(contentsOf: identifier.utf8)
                all.append(UInt8(ascii: "\n"))
            }
            let hash = AuditHash(of: all[...]).text
            let text = "\(identifiers.count) identifiers; SHA-256 of all, each with a newline: \(hash)"
            detail = detail.map { "\($0); \(text)" } ?? text
            identifiers.removeLast(identifiers.count - kept)
        }
        correlation = correlation.map(AuditRecord.shortened)
        ca = ca.map(AuditRecord.shortened)
        url = url.map(AuditRecord.shortened)
        error = error.map(AuditRecord.shortened)
    }

    private static func shortened(_ text: String) -> String {
        guard text.utf8.count > longestText else { return text }
        var result = String.UnicodeScalarView()
        var length = 0
        for scalar in text.unicodeScalars {
            length += UTF8.width(scalar)
            guard length <= longestText else { break }
            result.append(scalar)
        }
        return String(result) + "…"
    }

    /// Approximate length of the record's line in bytes if nothing must be escaped.
    public var approximateLength: Int { AuditLine.expectedLength(self) }
}
