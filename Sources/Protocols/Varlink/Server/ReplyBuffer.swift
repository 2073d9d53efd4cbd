import NIOCore

/// Replies of one connection that the channel has not yet been given, and how much of the others it has not yet
/// written. A value without I/O.
struct ReplyBuffer {
    /// The answer to a call.
    enum Answer {
        case empty
        case bytes([UInt8])
        case error(name: String, parameters: ArraySlice<UInt8>)
    }

    /// Output that reaches this size, in bytes, is handed to the channel before the end of the round.
    static let flushThreshold = 64 * 1024
    /// Buffer capacity kept between rounds, in bytes.
    static let keptCapacity = 4096

    private(set) var bytes = ByteBuffer()
    /// Memory of what the channel has not yet written.
    private var unsent = 0

    var isEmpty: Bool { bytes.readableBytes == 0 }
    var isFull: Bool { bytes.readableBytes >= ReplyBuffer.flushThreshold }
    /// Bytes that wait for the client to read.
    var pending: Int { bytes.readableBytes + unsent }

    /// Memory beyond what every connection keeps.
    func memory(isWritable: Bool) -> Int { max(0, bytes.capacity - ReplyBuffer.keptCapacity) + (isWritable ? 0 : unsent) }

    /// Adds the only or the last reply to a call.
    mutating func append(_ answer: Answer) {
        switch answer {
        case .empty: VarlinkMessageEncoder.writeEmptyReply(to: &bytes)
        case .bytes(let parameters): VarlinkMessageEncoder.writeReply(parameters, continues: false, to: &bytes)
        case .error(let name, let parameters): VarlinkMessageEncoder.writeError(name, parameters, to: &bytes)
        }
    }

    /// Adds a reply that others follow.
    mutating func append(continuing parameters: [UInt8]) {
        VarlinkMessageEncoder.writeReply(parameters, continues: true, to: &bytes)
    }

    /// The channel is about to be given ``bytes``.
    mutating func beginWrite() { unsent = bytes.capacity }

    /// The channel has been given ``bytes``.
    mutating func endWrite() {
        if bytes.capacity <= ReplyBuffer.keptCapacity { bytes.clear() } else { bytes = ByteBuffer() }
    }

    /// The channel has written all that it was given.
    mutating func allSent() { unsent = 0 }

    mutating func removeAll() { self = ReplyBuffer() }
}
