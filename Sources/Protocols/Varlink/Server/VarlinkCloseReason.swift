import StrictJSON

/// Why a server's connection ended.
public enum VarlinkCloseReason: Sendable, CustomStringConvertible {
    /// The client closed its side, and all its calls had been answered.
    case endOfStream
    /// The client disconnected, or the connection broke, with a call unanswered or in the middle of a message.
    case peerGone
    /// A message was not a JSON object, or not strict JSON.
    case malformedMessage(JSONError)
    /// A message was longer than the limit, in bytes.
    case messageTooLong(limit: Int)
    /// A message was started but not finished in time.
    case stalledWriter
    /// Replies were not read for too long.
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
        case .peerGone: "the client disconnected before it was answered"
        case .malformedMessage(let error): "malformed message: \(error)"
        case .messageTooLong(let limit): "a message was longer than \(limit) bytes"
        case .stalledWriter: "a message was not finished in time"
        case .stalledReader: "replies were not read in time"
        case .outputOverflow: "too many reply bytes were not read"
        case .idle: "idle for too long"
        case .shutdown: "the server is stopping"
        case .failed(let error): "the connection failed: \(error)"
        }
    }
}
