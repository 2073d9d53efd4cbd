/// Assembles whole frames from bytes as they arrive: a 32-bit little-endian length, a 32-bit request number, a byte for
/// the kind, fields. A state machine without I/O, used by both ends.
///
/// An error is final, since the start of the next frame is unknown: every later call throws it again.
public struct FrameDecoder: Sendable {
    private var buffer: [UInt8] = []
    /// Offset of the first byte that was not consumed.
    private var start = 0
    private var failure: FrameError?

    public init() { buffer.reserveCapacity(16 * 1024) }

    /// Whether a frame has started and is incomplete.
    public var isInFrame: Bool { start < buffer.count }

    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard failure == nil else { return }
        if start == buffer.count {
            // The memory of a long message must not be kept.
            buffer.removeAll(keepingCapacity: buffer.capacity <= 64 * 1024)
            start = 0
        } else if start > 64 * 1024 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next request, `nil` until one is complete.
    /// - Throws: `FrameError`; stop reading from this end.
    public mutating func nextRequest() throws(FrameError) -> (id: UInt32, request: HelperRequest)? {
        try next { (frame) throws(FrameError) in try HelperRequest(reading: &frame) }
    }

    /// The next reply, `nil` until one is complete.
    /// - Throws: `FrameError`; stop reading from this end.
    public mutating func nextReply() throws(FrameError) -> (id: UInt32, reply: HelperReply)? {
        try next { (frame) throws(FrameError) in try HelperReply(reading: &frame) }
    }

    private mutating func next<Message>(
        _ parse: (inout FrameReader) throws(FrameError) -> Message
    ) throws(FrameError) -> (UInt32, Message)? {
        if let failure { throw failure }
        do throws(FrameError) {
            guard let frame = try wholeFrame() else { return nil }
            start = frame.upperBound
            return try buffer.withUnsafeBufferPointer { (bytes) throws(FrameError) -> (UInt32, Message) in
                var frame = FrameReader(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[frame]))
                let id = try frame.integer()
                let message = try parse(&frame)
                try frame.finish()
                return (id, message)
            }
        } catch {
            failure = error
            buffer = []
            start = 0
            throw error
        }
    }

    /// Where the next frame is, without its length; `nil` until it is complete.
    private func wholeFrame() throws(FrameError) -> Range<Int>? {
        let available = buffer.count - start
        guard available >= 4 else { return nil }
        let length = try buffer.withUnsafeBufferPointer { (bytes) throws(FrameError) -> Int in
            var head = FrameReader(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[start..<(start + 4)]))
            return Int(try head.integer())
        }
        // Checked before the frame is complete, so that a wrong length never makes us buffer gigabytes.
        guard length >= 5, length <= TokenLimits.frame else { throw FrameError("a frame of \(length) bytes") }
        guard available - 4 >= length else { return nil }
        return (start + 4)..<(start + 4 + length)
    }
}
