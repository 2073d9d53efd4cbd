import StrictJSON

/// What a service says of itself in `org.varlink.service.GetInfo`.
public struct VarlinkServiceInfo: Hashable, Sendable {
    public var vendor: String
    public var product: String
    public var version: String
    public var url: String

    public init(vendor: String, product: String, version: String, url: String) {
        self.vendor = vendor
        self.product = product
        self.version = version
        self.url = url
    }
}

/// An application that answers Varlink calls. Every function is called on the server's event loop.
///
/// The server answers `org.varlink.service` itself, refuses calls of interfaces and methods that ``interfaces`` does not describe, and
/// hands over one call of a connection at a time: the next one comes when the one before is answered.
public protocol VarlinkService: AnyObject {
    /// Who is at the other end; made once for each connection, when it is accepted.
    associatedtype Peer

    /// Asked once, when the server is made.
    var info: VarlinkServiceInfo { get }

    /// The interfaces offered, without `org.varlink.service`. Asked once, when the server is made.
    var interfaces: [VarlinkInterface] { get }

    /// Answers a call, now or later, on the event loop. A call that is never answered keeps its connection waiting for ever.
    func handle(_ call: VarlinkCall, peer: Peer, reply: VarlinkReplier)

    /// A connection was opened. It is followed by one ``connectionClosed(peer:reason:)``, so this is where to count peers; a
    /// connection that was admitted and is gone before it is open has neither.
    func connectionOpened(peer: Peer)

    /// A connection that was opened is gone; its unanswered call, if there was one, has been cancelled.
    func connectionClosed(peer: Peer, reason: VarlinkCloseReason)
}

extension VarlinkService {
    public func connectionOpened(peer: Peer) {}
    public func connectionClosed(peer: Peer, reason: VarlinkCloseReason) {}
}

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
