import DurableFile

/// Reads a trail in order, across its files, and continues as it grows. It is polled, and has no thread or timer. It
/// checks each record's own hash; the verifier checks the chain.
public struct AuditReader {
    private let folder: AuditFolder
    private var lines: AuditLineReader?
    /// The next record to return.
    private var next: UInt64

    /// Starts at a record, or with the oldest file if the record is older.
    /// - Parameter path: The trail's current file.
    public init(path: String, from sequence: UInt64 = 0) {
        folder = AuditFolder(path: path)
        next = sequence
    }

    /// Starts `count` records before the end of the trail, or with the first if it has fewer. Counts records, not
    /// sequences, which have gaps where records are missing.
    /// - Throws: `AuditError` if there is no trail or it cannot be read.
    public init(path: String, last count: Int) throws(AuditError) {
        let folder = AuditFolder(path: path)
        guard let file = try AuditFolder.openForReading(path) else {
            throw AuditError(.missing, file: path, message: "there is no audit trail")
        }
        self.folder = folder
        guard count > 0 else {
            next = try AuditReader.lastSequence(file).map { $0 &+ 1 } ?? 0
            return
        }
        var left = count
        if let begin = try file.offset(ofLastLines: &left) {
            next = try AuditReader.sequence(at: begin, in: file)
            return
        }
        for (path, _) in try folder.older().reversed() {
            // If it has been moved away by now, nothing older can be read.
            guard let file = try AuditFolder.openForReading(path) else { break }
            guard let begin = try file.offset(ofLastLines: &left) else { continue }
            next = try AuditReader.sequence(at: begin, in: file)
            return
        }
        next = 0
    }

    /// The records that are there now and were not returned yet; none if nothing is new.
    /// - Parameters:
    ///   - limit: The most records.
    ///   - bytes: No further record once the lines have this many bytes.
    /// - Throws: `AuditError` `.malformed` or `.damaged` at a line that was changed; `.unavailable`.
    public mutating func read(limit: Int = 1_000, bytes: Int = .max) throws(AuditError) -> [AuditEntry] {
        var result: [AuditEntry] = []
        var size = 0
        while result.count < limit, size < bytes {
            if lines == nil {
                guard let opened = try openFile() else { return result }
                lines = opened
            }
            if let line = try lines?.next() {
                if try take(line, &result) { size += line.count }
                continue
            }
            // The end for now. A file that was rotated away gets no more lines; the next one continues.
            lines?.refresh()
            if try isTakenBack() { continue }
            guard isRotatedAway() else { return result }
            // What was added between the last look and the rotation.
            if let line = try lines?.next() {
                if try take(line, &result) { size += line.count }
            } else {
                lines = nil
            }
        }
        return result
    }

    /// - Returns: Whether the record was wanted.
    private mutating func take(_ bytes: ArraySlice<UInt8>, _ result: inout [AuditEntry]) throws(AuditError) -> Bool {
        // Records between the place of the search and the first one wanted are skipped by number alone.
        if let sequence = AuditEntry.sequence(ofLine: bytes), sequence < next { return false }
        let entry = try AuditEntry(line: bytes, file: lines?.file.path ?? folder.path)
        guard entry.record.sequence >= next else { return false }
        next = entry.record.sequence &+ 1
        result.append(entry)
        return true
    }

    /// A batch was seen while it was written, and then undone because the disk was full: the reader continues after
    /// what is left.
    private mutating func isTakenBack() throws(AuditError) -> Bool {
        guard let reader = lines, try reader.file.length < reader.offset else { return false }
        next = try AuditReader.lastSequence(reader.file).map { $0 &+ 1 } ?? next
        lines = nil
        return true
    }

    /// The file that has `next`: the newest whose first record is not after it; the oldest if `next` is older than all.
    private func openFile() throws(AuditError) -> AuditLineReader? {
        let current = try AuditFolder.openForReading(folder.path)
        let older = try folder.older()
        if let current, let first = try AuditReader.firstSequence(current), first <= next || older.isEmpty {
            return AuditLineReader(file: current, offset: try current.offset(before: next))
        }
        guard let match = older.last(where: { $0.first <= next }) ?? older.first, let file = try AuditFolder.openForReading(match.path)
        else {
            return nil
        }
        return AuditLineReader(file: file, offset: try file.offset(before: next))
    }

    private func isRotatedAway() -> Bool {
        guard let own = try? lines?.file.status(), let current = try? FileStatus(at: folder.path) else { return false }
        return own.identity != current.identity
    }

    private static func sequence(at offset: Int, in file: File) throws(AuditError) -> UInt64 {
        var lines = AuditLineReader(file: file, offset: offset)
        guard let line = try lines.next() else { return 0 }
        return try AuditEntry(line: line, file: file.path).record.sequence
    }

    private static func firstSequence(_ file: File) throws(AuditError) -> UInt64? {
        var lines = AuditLineReader(file: file)
        guard let bytes = try lines.next() else { return nil }
        return try AuditEntry(line: bytes, file: file.path).record.sequence
    }

    /// The sequence of the file's last whole record, found from its end.
    private static func lastSequence(_ file: File) throws(AuditError) -> UInt64? {
        let size = try file.length
        let start = max(0, size - AuditLimits.tail)
        let bytes = try file.bytes(at: start, count: size - start)
        guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return nil }
        let begin = bytes[..<end].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return try AuditEntry(line: bytes[begin..<end], file: file.path).record.sequence
    }
}
