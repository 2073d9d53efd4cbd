import StrictJSON

/// Why a client's call failed, other than by an error reply of the service (which is a ``VarlinkError``).
public enum VarlinkConnectionError: Error, Sendable, CustomStringConvertible {
    /// The connection was closed, by either side, before the reply came. Whether the call was carried out is unknown.
    case closed
    /// The reply did not arrive in time. Whether the call was carried out is unknown.
    case timedOut
    /// The peer is not a Unix socket, so its identity is unknown.
    case unknownPeer
    /// The server sent an invalid reply, and the connection was closed.
    case malformedReply(JSONError)
    /// The server sent a reply longer than the limit, in bytes, and the connection was closed.
    case replyTooLong(limit: Int)
    /// The server sent a reply without a call, or several to a call for one, and the connection was closed.
    case unexpectedReply
    /// The method name is invalid.
    case invalidMethodName(String)

    public var description: String {
        switch self {
        case .closed: "the connection was closed before the reply came"
        case .timedOut: "the reply did not come in time"
        case .unknownPeer: "the server's identity cannot be determined"
        case .malformedReply(let error): "the server sent a malformed reply: \(error)"
        case .replyTooLong(let limit): "the server sent a reply longer than \(limit) bytes"
        case .unexpectedReply: "the server sent a reply that no call waits for"
        case .invalidMethodName(let name): "\"\(name)\" is not the full name of a method"
        }
    }
}
