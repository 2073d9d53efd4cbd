import DurableFile

/// Finds records in a file of a trail.
extension File {
    /// Bytes read at once in the search for the beginning of a line.
    private static let searchPiece = 16 << 10
    /// Bytes at which bisection ends and reading begins.
    private static let searchEnd = 64 << 10

    /// In bytes.
    var length: Int {
        get throws(AuditError) {
            do throws(FileError) { return try status().size } catch { throw AuditError(error) }
        }
    }

    /// Up to `count` bytes from `offset`; fewer only at the end of the file.
    func bytes(at offset: Int, count: Int) throws(AuditError) -> [UInt8] {
        do throws(FileError) { return try read(at: offset, count: count) } catch { throw AuditError(error) }
    }

    /// Where a line begins at or before that of a record, found by bisection: a dozen small reads reach the end of a
    /// large file.
    /// - Returns: 0 if the lines do not tell.
    func offset(before sequence: UInt64) throws(AuditError) -> Int {
        var low = 0
        var high = try length
        while high - low > File.searchEnd {
            let middle = low + (high - low) / 2
            if let (start, found) = try firstLine(from: middle, before: high), found <= sequence {
                low = start
            } else {
                high = middle
            }
        }
        return low
    }

    /// Where the last `count` whole lines begin.
    /// - Parameter count: If the file has fewer lines, becomes the number still missing; the result is then `nil`.
    func offset(ofLastLines count: inout Int) throws(AuditError) -> Int? {
        var end = try length
        // What follows the last newline is not a line yet.
        var isLineComplete = false
        while end > 0 {
            let start = max(0, end - File.searchPiece)
            let piece = try bytes(at: start, count: end - start)
            guard piece.count == end - start else { break }
            var rest = piece[...]
            while let newline = rest.lastIndex(of: UInt8(ascii: "\n")) {
                rest = rest[..<newline]
                guard isLineComplete else {
                    isLineComplete = true
                    continue
                }
                count -= 1
                if count == 0 { return start + newline + 1 }
            }
            end = start
        }
        guard isLineComplete else { return nil }
        // The first line begins the file.
        count -= 1
        return count == 0 ? 0 : nil
    }

    /// The first line that begins between two offsets, and its record's sequence.
    private func firstLine(from middle: Int, before high: Int) throws(AuditError) -> (start: Int, sequence: UInt64)? {
        var at = middle
        while at < high {
            let piece = try bytes(at: at, count: File.searchPiece)
            guard !piece.isEmpty else { return nil }
            if let newline = piece.firstIndex(of: UInt8(ascii: "\n")) {
                let start = at + newline + 1
                guard start < high else { return nil }
                // A sequence has at most 20 digits.
                let head = try bytes(at: start, count: 64)
                return AuditEntry.sequence(ofLine: head[...]).map { (start, $0) }
            }
            at += piece.count
        }
        return nil
    }

    /// The record of a sequence, if the file has it.
    func entry(of sequence: UInt64) throws(AuditError) -> AuditEntry? {
        var lines = AuditLineReader(file: self, offset: try offset(before: sequence))
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
            // Without a number if the file can no longer be read.
            guard let piece = try? bytes(at: at, count: min(File.searchPiece, offset - at)), !piece.isEmpty else {
                return error
            }
            newlines += piece.count { $0 == UInt8(ascii: "\n") }
            at += piece.count
        }
        error.line = newlines + 1
        return error
    }
}
