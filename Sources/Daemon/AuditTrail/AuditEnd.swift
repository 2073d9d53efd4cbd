import DurableFile

/// The last records of a file, each checked and following the one before.
struct AuditEnd {
    /// In the order of the file.
    var entries: [AuditEntry] = []
    /// Where the last whole record ends, in bytes.
    var wholeSize: Int
    /// Whether the first of `entries` is the file's first record.
    var startsAtBeginning: Bool

    /// Reads at most `AuditLimits.tail` bytes of the end.
    ///
    /// A loss of power may leave something after the last whole record that is neither a record nor an attack: a line
    /// without its newline, or blocks that were allocated and never written, which read as NUL (no line has one).
    /// Anything else that does not verify is refused.
    init(_ file: File) throws(AuditError) {
        let size = try file.length
        let start = max(0, size - AuditLimits.tail)
        let bytes = try file.bytes(at: start, count: size - start)
        startsAtBeginning = start == 0
        var at = 0
        if start > 0 {
            // The line that the window cuts.
            guard let newline = bytes.firstIndex(of: UInt8(ascii: "\n")) else {
                throw AuditError(.damaged, file: file.path, message: "the audit trail ends in a line longer than any record")
            }
            at = newline + 1
        }
        wholeSize = start + at
        while at < bytes.count, let newline = bytes[at...].firstIndex(of: UInt8(ascii: "\n")) {
            if bytes[at..<newline].contains(0) { break }
            do throws(AuditError) {
                let entry = try AuditEntry(line: bytes[at..<newline], file: file.path)
                if let last = entries.last, !entry.follows(last) {
                    throw AuditError(
                        .damaged, file: file.path, message: "record \(entry.record.sequence) does not follow the one before it")
                }
                entries.append(entry)
            } catch { throw file.located(error, at: start + at) }
            at = newline + 1
            wholeSize = start + at
        }
    }
}
