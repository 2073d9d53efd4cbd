#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Cuts a byte stream into messages. UAPI.20, "Wire format": every message is ended by one NUL byte.
///
/// A state machine without I/O: bytes go in with ``append(_:)``, messages come out of ``next()``. However the bytes are cut up on their
/// way, each is looked at once and moved a bounded number of times.
public struct VarlinkFramer: Sendable {
    /// Room kept for the next message once the buffer is empty, in bytes. Most messages fit; ten thousand idle connections cost 40 MB.
    static let keptCapacity = 4096

    /// The most bytes a message may have, the NUL not counted.
    public let maximumMessageSize: Int

    private var buffer: [UInt8] = []
    /// First byte of the message that is not complete or not taken yet.
    private var start = 0
    /// The bytes before this one, from `start`, hold no NUL.
    private var scanned = 0

    public init(maximumMessageSize: Int) {
        self.maximumMessageSize = maximumMessageSize
    }

    /// Bytes received and not yet taken as a message.
    public var bufferedBytes: Int { buffer.count - start }

    /// Bytes of memory that the framer holds on to.
    var capacity: Int { buffer.capacity }

    /// Takes what the stream brought.
    public mutating func append(_ bytes: some Collection<UInt8>) {
        // Only half a buffer or more is worth moving, so that a byte is moved twice at most on the average.
        if start == buffer.count {
            removeAll()
        } else if start > 0, start >= buffer.count / 2 {
            buffer.removeFirst(start)
            scanned -= start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole message without its NUL, a part of the framer's own memory that should not be kept; `nil` while there is none.
    /// - Throws: ``VarlinkFramingError/messageTooLong(limit:)`` as soon as a message cannot end within the limit any more; the stream has
    ///   no use after that, because nobody knows where the next message begins.
    public mutating func next() throws(VarlinkFramingError) -> ArraySlice<UInt8>? {
        guard let end = indexOfNUL() else {
            scanned = buffer.count
            guard bufferedBytes <= maximumMessageSize else { throw .messageTooLong(limit: maximumMessageSize) }
            // All taken, and nobody reads in it any more: a large message's memory is given back.
            if start == buffer.count { removeAll() }
            return nil
        }
        guard end - start <= maximumMessageSize else { throw .messageTooLong(limit: maximumMessageSize) }
        defer {
            start = end + 1
            scanned = start
        }
        return buffer[start..<end]
    }

    /// Gives the memory of messages back that were all taken.
    mutating func releaseIfEmpty() {
        if start == buffer.count { removeAll() }
    }

    /// Forgets everything that is buffered.
    public mutating func removeAll() {
        start = 0
        scanned = 0
        buffer.removeAll(keepingCapacity: buffer.capacity <= VarlinkFramer.keptCapacity)
    }

    private func indexOfNUL() -> Int? {
        buffer.withUnsafeBytes { bytes in
            guard scanned < bytes.count, let base = bytes.baseAddress, let found = memchr(base + scanned, 0, bytes.count - scanned) else {
                return nil
            }
            return UnsafeRawPointer(found) - base
        }
    }
}
