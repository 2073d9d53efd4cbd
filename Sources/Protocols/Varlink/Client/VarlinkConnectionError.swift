import StrictJSON

/// Why a client's call came to nothing, where it was not the service that said no (that is a ``VarlinkError``).
public enum VarlinkConnectionError: Error, Sendable, CustomStringConvertible {
    /// The connection was closed, by either side, before the reply came. Whether the call was carried out is unknown.
    case closed
    /// The reply did not come in time. Whether the call was carried out is unknown.
    case timedOut
    /// The peer is no Unix socket, so nobody knows who it is.
    case unknownPeer
    /// The server sent what is no reply, and the connection was closed.
    case malformedReply(JSONError)
    /// The server sent a reply longer than the limit, in bytes, and the connection was closed.
    case replyTooLong(limit: Int)
    /// The server sent a reply to no call, or several to a call that wanted one, and the connection was closed.
    case unexpectedReply
    /// The method's name is none.
    case invalidMethodName(String)

    public var description: String {
        switch self {
        case .closed: "the connection was closed before the reply came"
        case .timedOut: "the reply did not come in time"
        case .unknownPeer: "the server's identity cannot be told"
        case .malformedReply(let error): "the server sent a malformed reply: \(error)"
        case .replyTooLong(let limit): "the server sent a reply longer than \(limit) bytes"
        case .unexpectedReply: "the server sent a reply that no call waits for"
        case .invalidMethodName(let name): "\"\(name)\" is not the full name of a method"
        }
    }
}
