/// Takes bytes as they come and gives whole frames: a 32-bit little-endian length, a 32-bit number of the request, a byte for the kind, fields.
/// A state machine without I/O, used by both ends.
public struct FrameDecoder: Sendable {
    private var buffer: [UInt8] = []
    private var start = 0

    public init() { buffer.reserveCapacity(16 * 1024) }

    /// Whether a frame was begun and not ended.
    public var isInFrame: Bool { start < buffer.count }

    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: true)
            start = 0
        } else if start > 64 * 1024 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    private mutating func frame() throws(FrameError) -> ArraySlice<UInt8>? {
        guard buffer.count - start >= 4 else { return nil }
        var reader = FrameReader(buffer[start..<(start + 4)])
        let length = Int(try reader.integer())
        guard length >= 5, length <= TokenLimits.frame else { throw FrameError("a frame of \(length) bytes") }
        guard buffer.count - start - 4 >= length else { return nil }
        let frame = buffer[(start + 4)..<(start + 4 + length)]
        start += 4 + length
        return frame
    }

    /// The next request, `nil` until one is whole.
    /// - Throws: `FrameError`; nothing more is to be read from this end.
    public mutating func nextRequest() throws(FrameError) -> (id: UInt32, request: HelperRequest)? {
        guard let frame = try frame() else { return nil }
        var reader = FrameReader(frame)
        let id = try reader.integer()
        let request = try HelperRequest(reading: &reader)
        try reader.finish()
        return (id, request)
    }

    /// The next reply, `nil` until one is whole.
    /// - Throws: `FrameError`; nothing more is to be read from this end.
    public mutating func nextReply() throws(FrameError) -> (id: UInt32, reply: HelperReply)? {
        guard let frame = try frame() else { return nil }
        var reader = FrameReader(frame)
        let id = try reader.integer()
        let reply = try HelperReply(reading: &reader)
        try reader.finish()
        return (id, reply)
    }
}
