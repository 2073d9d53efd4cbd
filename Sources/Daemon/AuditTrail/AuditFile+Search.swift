extension AuditFile {
    /// What is read in one piece when a line's beginning is looked for (bytes).
    private static let searchPiece = 16 << 10
    /// Where halving ends and reading begins (bytes).
    private static let searchEnd = 64 << 10

    /// Where a line begins at or before that of a record, found by halving: the end of a large file is reached in a dozen small reads.
    /// - Returns: 0 where the lines do not tell.
    func offset(before sequence: UInt64, path: String) throws(AuditError) -> Int {
        var low = 0
        var high = Int(status?.st_size ?? 0)
        while high - low > AuditFile.searchEnd {
            let middle = low + (high - low) / 2
            if let (start, found) = try firstLine(from: middle, before: high, path: path), found <= sequence {
                low = start
            } else {
                high = middle
            }
        }
        return low
    }

    /// The first line that begins between two offsets, and its record's sequence.
    private func firstLine(from middle: Int, before high: Int, path: String) throws(AuditError) -> (start: Int, sequence: UInt64)? {
        var at = middle
        while at < high {
            let bytes = try read(offset: at, count: AuditFile.searchPiece, path: path)
            guard !bytes.isEmpty else { return nil }
            if let newline = bytes.firstIndex(of: UInt8(ascii: "\n")) {
                let start = at + newline + 1
                guard start < high else { return nil }
                // A sequence has at most 20 digits.
                let head = try read(offset: start, count: 64, path: path)
                return AuditEntry.sequence(ofLine: head[...]).map { (start, $0) }
            }
            at += bytes.count
        }
        return nil
    }

    /// The record of a sequence, if the file has it.
    func entry(of sequence: UInt64, path: String) throws(AuditError) -> AuditEntry? {
        var lines = AuditLineReader(file: self, path: path, offset: try offset(before: sequence, path: path))
        while let line = try lines.next() {
            guard let found = AuditEntry.sequence(ofLine: line) else { return nil }
            if found < sequence { continue }
            guard found == sequence else { return nil }
            do throws(AuditError) { return try AuditEntry(line: line, file: path) } catch {
                throw located(error, at: lines.offset - line.count - 1)
            }
        }
        return nil
    }

    /// An error about the line that begins at an offset, with that line's number.
    func located(_ error: AuditError, at offset: Int) -> AuditError {
        var error = error
        var newlines = 0
        var at = 0
        while at < offset {
            // Without a number if the file cannot be read any more.
            guard let bytes = try? read(offset: at, count: min(AuditFile.searchPiece, offset - at), path: error.file), !bytes.isEmpty else {
                return error
            }
            newlines += bytes.count { $0 == UInt8(ascii: "\n") }
            at += bytes.count
        }
        error.line = newlines + 1
        return error
    }
}
