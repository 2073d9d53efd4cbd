import StrictJSON

/// What a client takes from a server.
public struct VarlinkClientLimits: Sendable {
    /// The longest reply in bytes.
    public var messageSize = 4 * 1024 * 1024
    /// How replies are read.
    public var json = JSONLimits.default
    /// Replies of one `more` call that may wait for their reader before the socket is left alone, and how few of them start it again.
    public var bufferedReplies = 2...16

    public init() {}
}
