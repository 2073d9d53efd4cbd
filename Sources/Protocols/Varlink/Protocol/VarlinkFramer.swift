#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Splits a byte stream into messages. UAPI.20, "Wire format": every message ends with one NUL byte.
///
/// A state machine without I/O: bytes go in with ``append(_:)``, messages come out of ``next()``. However the stream is
/// fragmented, each byte is scanned once and moved a bounded number of times.
public struct VarlinkFramer: Sendable {
    /// Capacity kept for the next message once the buffer is empty, in bytes. Most messages fit; ten thousand idle
    /// connections cost 40 MB.
    static let keptCapacity = 4096

    /// The maximum size of a message in bytes, without the NUL.
    public let maximumMessageSize: Int

    private var buffer: [UInt8] = []
    /// First byte of the message that is incomplete or not yet taken.
    private var start = 0
    /// There is no NUL from `start` up to this byte.
    private var scanned = 0

    /// - Parameter maximumMessageSize: Of a message in bytes, without the NUL.
    public init(maximumMessageSize: Int) {
        self.maximumMessageSize = maximumMessageSize
    }

    /// Bytes received but not yet taken as a message.
    public var bufferedBytes: Int { buffer.count - start }

    /// Bytes of memory that the framer holds.
    var capacity: Int { buffer.capacity }

    /// Appends received bytes.
    public mutating func append(_ bytes: some Collection<UInt8>) {
        // Only move half a buffer or more, so that a byte is moved at most twice on average.
        if start == buffer.count {
            removeAll()
        } else if start > 0, start >= buffer.count / 2 {
            buffer.removeFirst(start)
            scanned -= start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next complete message without its NUL, or `nil` if there is none. It is a slice of the framer's own memory;
    /// do not keep it.
    /// - Throws: ``VarlinkFramingError/messageTooLong(limit:)`` as soon as a message can no longer end within the
    ///   limit. The stream is unusable after that, because the start of the next message is unknown.
    public mutating func next() throws(VarlinkFramingError) -> ArraySlice<UInt8>? {
        guard let end = indexOfNUL() else {
            scanned = buffer.count
            guard bufferedBytes <= maximumMessageSize else { throw .messageTooLong(limit: maximumMessageSize) }
            // All messages are taken and no slice is in use: release the memory of a large message.
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

    /// Releases the memory of messages if all were taken.
    mutating func releaseIfEmpty() {
        if start == buffer.count { removeAll() }
    }

    /// Discards everything that is buffered.
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
