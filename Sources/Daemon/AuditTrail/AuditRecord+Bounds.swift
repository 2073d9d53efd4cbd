/// The bounds of a record that a caller without any grant can have written: so many bytes at most, whatever was asked for.
extension AuditRecord {
    /// Bytes of each text, and of all names together.
    private static let longestText = 512
    private static let names = 8

    /// Shortens texts, and of the identifiers keeps the first: how many there were and a hash of all then stand in `detail`, so that who has the
    /// request can show that it is this one.
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

    /// Bytes that the record's line has where nothing has to be escaped, give or take a few.
    public var approximateLength: Int { AuditLine.expectedLength(self) }
}
