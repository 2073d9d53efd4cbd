import DurableFile

/// The whole lines of one file, from an offset on; reads 256 KiB at a time.
struct AuditLineReader {
    let file: File
    /// Offset of the next unread line in bytes.
    private(set) var offset: Int
    private var buffer: [UInt8] = []
    private var at = 0

    /// A longer line is not a record; reading stops before it is in memory whole.
    static let maximumLine = AuditLimits.longestLine
    private static let chunk = 256 << 10

    init(file: File, offset: Int = 0) {
        self.file = file
        self.offset = offset
    }

    /// Bytes read that are not a whole line (yet).
    var rest: Int { buffer.count - at }

    /// The next line without its newline; `nil` where the file ends for now. A line without newline stays unread.
    mutating func next() throws(AuditError) -> ArraySlice<UInt8>? {
        var searched = at
        while true {
            if let newline = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = buffer[at..<newline]
                offset += newline + 1 - at
                at = newline + 1
                return line
            }
            guard buffer.count - at <= AuditLineReader.maximumLine else {
                throw AuditError(.malformed, file: file.path, message: "a line is longer than any audit record")
            }
            buffer.removeFirst(at)
            at = 0
            searched = buffer.count
            let more = try file.bytes(at: offset + buffer.count, count: AuditLineReader.chunk)
            guard !more.isEmpty else { return nil }
            buffer += more
        }
    }

    /// Discards what was read beyond the last whole line, so that it is read again: the writer may have undone it
    /// since.
    mutating func refresh() {
        buffer.removeAll(keepingCapacity: true)
        at = 0
    }
}
