import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The system's `listen`, which a server's own functions of that name hide.
private let systemListen: @Sendable (CInt, CInt) -> CInt = { listen($0, $1) }

/// A Varlink service on a Unix socket: listens, admits and counts peers, and shuts down gracefully.
///
/// Create and use it on its event loop, which also runs all its connections. It lives while it listens or has
/// connections.
/// ```swift
/// let server = VarlinkServer(service: service, eventLoop: loop) { descriptor in
///     VarlinkPeerCredentials(descriptor: descriptor).flatMap { $0.uid == 0 ? $0 : nil }
/// }
/// return server.listen(at: address)
/// ```
public final class VarlinkServer<Service: VarlinkService> {
    /// Runs the server and all its connections.
    public let eventLoop: any EventLoop
    private let service: Service
    private let core: VarlinkServerCore
    private let limits: VarlinkServerLimits
    private let rounds: LoopRounds?
    private let admit: (CInt) -> Service.Peer?

    private var listeners: [Listener] = []
    private var connections: [ObjectIdentifier: any Channel] = [:]
    private var stopped: EventLoopPromise<Void>?

    /// A socket that accepts connections.
    private struct Listener {
        let channel: any Channel
        let pacing: AcceptPacing
        let turns: AcceptTurns
        let name: String?
    }

    /// Called on the loop when a connection could not be accepted for lack of descriptors or memory, with the error
    /// number and the pause before the next attempt.
    public var acceptFailed: ((_ errno: CInt, _ pause: TimeAmount) -> Void)?

    /// Records the time of calls, for the benchmark.
    package var latency: VarlinkLatency? {
        get { core.latency }
        set { core.latency = newValue }
    }

    /// - Parameters:
    ///   - service: Answers the calls.
    ///   - eventLoop: Runs the server and all its connections.
    ///   - limits: What the connections may cost.
    ///   - rounds: Counts the rounds of the loop: the `metricsDelegate` of its group. It makes turns between users
    ///     shorter.
    ///   - thread: Parses long messages; without it, they are parsed on the loop.
    ///   - admit: Determines a connection's peer from its descriptor, which is valid only during the call. `nil`
    ///     refuses the connection: it is closed without a reply.
    public init(
        service: Service, eventLoop: any EventLoop, limits: VarlinkServerLimits = VarlinkServerLimits(), rounds: LoopRounds? = nil,
        thread: TurnThread? = nil, admit: @escaping (_ descriptor: CInt) -> Service.Peer?
    ) {
        eventLoop.preconditionInEventLoop()
        self.service = service
        self.eventLoop = eventLoop
        self.limits = limits
        self.rounds = rounds
        self.admit = admit
        self.core = VarlinkServerCore(service, limits: limits, rounds: rounds, thread: thread)
    }

    /// Connections open now.
    public var connectionCount: Int { connections.count }

    /// Memory that all connections hold for unfinished messages and unread replies, in bytes, beyond what each always
    /// keeps.
    public var heldBytes: Int { core.schedule.bytes }

    /// Binds a socket and listens.
    ///
    /// The socket's mode follows from the process's umask: set the umask before; do not change the mode afterwards. The
    /// caller must remove a socket left over from an earlier run.
    public func listen(at address: VarlinkAddress) -> EventLoopFuture<Void> {
        let pacing = makePacing(), turns = makeTurns()
        return listening(bootstrap(pacing, turns).bind(unixDomainSocketPath: address.path), pacing, turns, name: nil)
    }

    /// Listens on a socket that is already bound and listening, as passed by systemd. The server takes over the
    /// descriptor.
    /// - Parameters:
    ///   - descriptor: The socket.
    ///   - backlog: Connections that may wait to be accepted; the system's limit also applies
    ///     (net.core.somaxconn). `nil` keeps SwiftNIO's value, 128.
    ///   - name: For `stopListening(named:)`.
    public func listen(on descriptor: NIOBSDSocket.Handle, backlog: CInt? = nil, named name: String? = nil) -> EventLoopFuture<Void> {
        let pacing = makePacing(), turns = makeTurns()
        let bound = bootstrap(pacing, turns).withBoundSocket(descriptor).assumeIsolated().flatMapThrowing { channel in
            if let backlog { try VarlinkServer.setBacklog(of: channel, backlog) }
            return channel
        }
        return listening(bound.nonisolated(), pacing, turns, name: name)
    }

    /// Again, since a channel made from a listening socket has called `listen` with its own backlog.
    private static func setBacklog(of channel: any Channel, _ backlog: CInt) throws {
        let failure = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { descriptor in
            systemListen(descriptor, backlog) == 0 ? nil : IOError(errnoCode: errno, reason: "listen")
        }
        if let failure = failure ?? nil { throw failure }
    }

    private func makePacing() -> AcceptPacing {
        AcceptPacing { [weak self] code, pause in self?.acceptFailed?(code, pause) }
    }

    private func makeTurns() -> AcceptTurns {
        AcceptTurns(rounds: rounds) { [weak self] user in self?.mayWait(user) ?? false }
    }

    /// Closes the listening socket of this name. Connections that were admitted stay; those that still wait for admission
    /// are closed.
    public func stopListening(named name: String) {
        for listener in listeners where listener.name == name { listener.channel.close(promise: nil) }
        listeners.removeAll { $0.name == name }
    }

    /// Stops listening, answers every call that has been sent, and closes the connections that do not finish in time. No
    /// call is lost whose connection was accepted; those that were not stay in the queue of a socket that somebody else
    /// holds as well, such as systemd.
    public func shutDown(within time: TimeAmount) -> EventLoopFuture<Void> {
        if let stopped { return stopped.futureResult }
        for listener in listeners { listener.turns.admitAll() }
        let promise = eventLoop.makePromise(of: Void.self)
        stopped = promise
        for listener in listeners { listener.channel.close(promise: nil) }
        listeners = []
        for connection in connections.values { connection.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
        let timer = eventLoop.assumeIsolated().scheduleTask(in: time) {
            for connection in self.connections.values { connection.close(promise: nil) }
        }
        promise.futureResult.assumeIsolated().whenComplete { _ in timer.cancel() }
        if connections.isEmpty { promise.succeed() }
        return promise.futureResult
    }

    private func listening(
        _ bound: EventLoopFuture<any Channel>, _ pacing: AcceptPacing, _ turns: AcceptTurns, name: String?
    ) -> EventLoopFuture<Void> {
        bound.assumeIsolated().map { channel in
            guard self.stopped == nil else { return channel.close(promise: nil) }
            self.listeners.append(Listener(channel: channel, pacing: pacing, turns: turns, name: name))
        }.nonisolated()
    }

    private func bootstrap(_ pacing: AcceptPacing, _ turns: AcceptTurns) -> ServerBootstrap {
        let server = NIOLoopBound(self, eventLoop: eventLoop)
        let handlers = NIOLoopBound((pacing, turns), eventLoop: eventLoop)
        return ServerBootstrap(group: eventLoop)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.maxMessagesPerRead, value: AcceptTurns.perRound)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([handlers.value.0, handlers.value.1])
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.recvAllocator, value: VarlinkServer.readBuffers)
            // A client is writable once everything has been sent: at most one write waits in the channel.
            .childChannelOption(.writeBufferWaterMark, value: ChannelOptions.Types.WriteBufferWaterMark(low: 1, high: 1))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try server.value.accept(channel) }
            }
    }

    /// Each connection keeps the buffer of its last read: one that fits most calls, instead of the 2 KiB that a channel
    /// starts with. It grows to 8 KiB if a client sends more. A long message then takes more reads, between which
    /// others are served.
    private static var readBuffers: AdaptiveRecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 512, maximum: 8 * 1024)
    }

    /// Connections that wait for admission at any socket count. One user's may be a quarter of the limit: at least 16, at
    /// most 4,096.
    private func mayWait(_ user: UInt32) -> Bool {
        let waiting = listeners.reduce(0) { $0 + $1.turns.waiting }
        let ofUser = listeners.reduce(0) { $0 + $1.turns.waiting(of: user) }
        return stopped == nil && connections.count + waiting < limits.connections && ofUser < min(max(16, limits.connections / 4), 4_096)
    }

    private func accept(_ channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        guard stopped == nil, connections.count < limits.connections,
            let peer = try pipeline.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self, admit) ?? nil
        else { throw VarlinkConnectionRefused() }
        let handler = VarlinkServerHandler(
            service: service, peer: peer, core: core, eventLoop: eventLoop, limits: limits)
        try pipeline.addHandler(handler)
        let identity = ObjectIdentifier(channel)
        connections[identity] = channel
        channel.closeFuture.assumeIsolated().whenComplete { _ in
            self.connections[identity] = nil
            for listener in self.listeners { listener.pacing.resume() }
            if self.connections.isEmpty { self.stopped?.succeed() }
        }
    }
}

/// A connection was not admitted.
struct VarlinkConnectionRefused: Error {}
