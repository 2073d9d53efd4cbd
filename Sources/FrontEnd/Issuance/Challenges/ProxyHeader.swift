import NIOCore

/// The line that a proxy may send before a client's first bytes (the PROXY protocol, version 1): the client's address,
/// which does not matter here.
struct ProxyHeader: Sendable {
    /// With the line's end: the longest that the protocol has.
    private static let maximumLength = 107
    private static let prefix = Array("PROXY ".utf8)

    private var line: [UInt8] = []
    private var isPassed = false
    private(set) var isMalformed = false

    /// Takes the next bytes of the connection.
    /// - Returns: those after the line; `nil` if it is not complete, or malformed.
    mutating func skip(_ bytes: ByteBuffer) -> ByteBuffer? {
        guard !isPassed else { return bytes }
        var bytes = bytes
        while let byte = bytes.readInteger(as: UInt8.self) {
            line.append(byte)
            guard line.starts(with: Self.prefix.prefix(line.count)) else {
                // There is no such line.
                isPassed = true
                var whole = ByteBuffer(bytes: line)
                whole.writeBuffer(&bytes)
                return whole
            }
            if line.suffix(2) == [0x0D, 0x0A] {
                isPassed = true
                return bytes
            }
            if line.count >= Self.maximumLength {
                isMalformed = true
                return nil
            }
        }
        return nil
    }
}
