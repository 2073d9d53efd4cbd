import StrictJSON

/// Why a server's connection came to its end.
public enum VarlinkCloseReason: Sendable, CustomStringConvertible {
    /// The client ended its side, and all it had asked was answered.
    case endOfStream
    /// The client went away, or the connection broke, with a call unanswered or in the middle of a message.
    case peerGone
    /// A message was not a JSON object, or not strict JSON.
    case malformedMessage(JSONError)
    /// A message was longer than the limit, in bytes.
    case messageTooLong(limit: Int)
    /// A message was begun and not finished in time.
    case stalledWriter
    /// Replies were left unread for too long.
    case stalledReader
    /// More reply bytes waited for the client than the limit allows.
    case outputOverflow
    /// No call for too long.
    case idle
    /// The server was told to stop.
    case shutdown
    /// The socket failed.
    case failed(any Error)

    public var description: String {
        switch self {
        case .endOfStream: "the client closed the connection"
        case .peerGone: "the client went away before it was answered"
        case .malformedMessage(let error): "malformed message: \(error)"
        case .messageTooLong(let limit): "a message was longer than \(limit) bytes"
        case .stalledWriter: "a message was not finished in time"
        case .stalledReader: "replies were not read in time"
        case .outputOverflow: "too many reply bytes were not read"
        case .idle: "idle for too long"
        case .shutdown: "the server stops"
        case .failed(let error): "the connection failed: \(error)"
        }
    }
}
