/// What a service says about itself in `org.varlink.service.GetInfo`.
public struct VarlinkServiceInfo: Hashable, Sendable {
    /// Who makes the service.
    public var vendor: String
    /// The service's name.
    public var product: String
    /// Its version.
    public var version: String
    /// Where to read about it; may be empty.
    public var url: String

    /// All four are sent as they are.
    public init(vendor: String, product: String, version: String, url: String) {
        self.vendor = vendor
        self.product = product
        self.version = version
        self.url = url
    }
}

/// An application that answers Varlink calls. Every function is called on the server's event loop.
///
/// The server answers `org.varlink.service` itself, refuses calls of interfaces and methods that ``interfaces`` does
/// not describe, and dispatches one call of a connection at a time: the next one comes when the previous one is
/// answered.
public protocol VarlinkService: AnyObject {
    /// The peer; made once per connection, when it is accepted.
    associatedtype Peer

    /// What a long call is parsed into off the loop.
    associatedtype Reading: Sendable = Void

    /// Asked once, when the server is made.
    var info: VarlinkServiceInfo { get }

    /// The interfaces offered, without `org.varlink.service`. Asked once, when the server is made.
    var interfaces: [VarlinkInterface] { get }

    /// Answers a call, now or later, on the event loop. A call that is never answered keeps its connection waiting
    /// forever.
    func handle(_ call: VarlinkCall, peer: Peer, reply: VarlinkReplier)

    /// Returns, on the loop, the function that parses a peer's long calls; it is called on the server's ``TurnThread``.
    func reader(for peer: Peer) -> @Sendable (VarlinkCall) -> Reading

    /// Answers a call that was parsed off the loop; otherwise like ``handle(_:peer:reply:)``.
    func handle(_ call: VarlinkCall, read: Reading, peer: Peer, reply: VarlinkReplier)

    /// The number of a peer's user. The connections of one user share its turns on the loop and its memory. Asked once
    /// per connection; by default, all belong to one user.
    func user(of peer: Peer) -> UInt64

    /// A connection was opened. Exactly one ``connectionClosed(peer:reason:)`` follows, so count peers here. A
    /// connection that was admitted but ended before it was open gets neither.
    func connectionOpened(peer: Peer)

    /// An opened connection has ended; its unanswered call, if any, has been cancelled.
    func connectionClosed(peer: Peer, reason: VarlinkCloseReason)
}

extension VarlinkService {
    /// All connections belong to one user.
    public func user(of peer: Peer) -> UInt64 { 0 }
    /// Does nothing.
    public func connectionOpened(peer: Peer) {}
    /// Does nothing.
    public func connectionClosed(peer: Peer, reason: VarlinkCloseReason) {}
}

extension VarlinkService where Reading == Void {
    /// Parses nothing off the loop.
    public func reader(for peer: Peer) -> @Sendable (VarlinkCall) -> Void { { _ in } }

    /// Calls ``handle(_:peer:reply:)``.
    public func handle(_ call: VarlinkCall, read: Void, peer: Peer, reply: VarlinkReplier) { handle(call, peer: peer, reply: reply) }
}
