import StrictJSON

/// Limits on what a client accepts from a server.
public struct VarlinkClientLimits: Sendable {
    /// The longest reply in bytes.
    public var messageSize = 4 * 1024 * 1024
    /// How replies are parsed.
    public var json = JSONLimits.default
    /// Replies of one `more` call that may wait for their reader before reading from the socket stops, and how few must
    /// be left before it resumes.
    public var bufferedReplies = 2...16

    /// The defaults.
    public init() {}
}
