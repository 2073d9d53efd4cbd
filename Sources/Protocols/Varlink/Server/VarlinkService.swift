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

    /// What a long call is read into away from the loop.
    associatedtype Reading: Sendable = Void

    /// Asked once, when the server is made.
    var info: VarlinkServiceInfo { get }

    /// The interfaces offered, without `org.varlink.service`. Asked once, when the server is made.
    var interfaces: [VarlinkInterface] { get }

    /// Answers a call, now or later, on the event loop. A call that is never answered keeps its connection waiting for ever.
    func handle(_ call: VarlinkCall, peer: Peer, reply: VarlinkReplier)

    /// How long calls of a peer are read: the function is asked for on the loop and called on the server's ``TurnThread``.
    func reader(for peer: Peer) -> @Sendable (VarlinkCall) -> Reading

    /// Answers a call that was read away from the loop; otherwise as ``handle(_:peer:reply:)``.
    func handle(_ call: VarlinkCall, read: Reading, peer: Peer, reply: VarlinkReplier)

    /// The number of the user whom a peer belongs to. The connections of one user share its turns on the loop and its memory. Asked once
    /// for each connection; by default all are one user's.
    func user(of peer: Peer) -> UInt64

    /// A connection was opened. It is followed by one ``connectionClosed(peer:reason:)``, so this is where to count peers; a
    /// connection that was admitted and is gone before it is open has neither.
    func connectionOpened(peer: Peer)

    /// A connection that was opened is gone; its unanswered call, if there was one, has been cancelled.
    func connectionClosed(peer: Peer, reason: VarlinkCloseReason)
}

extension VarlinkService {
    public func user(of peer: Peer) -> UInt64 { 0 }
    public func connectionOpened(peer: Peer) {}
    public func connectionClosed(peer: Peer, reason: VarlinkCloseReason) {}
}

extension VarlinkService where Reading == Void {
    public func reader(for peer: Peer) -> @Sendable (VarlinkCall) -> Void { { _ in } }

    public func handle(_ call: VarlinkCall, read: Void, peer: Peer, reply: VarlinkReplier) { handle(call, peer: peer, reply: reply) }
}
