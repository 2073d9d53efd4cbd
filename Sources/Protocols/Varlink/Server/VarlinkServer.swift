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

/// A Varlink service on a Unix socket: listens, lets peers in, counts them, and stops in good order.
///
/// Make it and use it on its event loop, where all its connections live too; it lives as long as it listens or is connected.
/// ```swift
/// let server = VarlinkServer(service: service, eventLoop: loop) { descriptor in
///     VarlinkPeerCredentials(descriptor: descriptor).flatMap { $0.uid == 0 ? $0 : nil }
/// }
/// return server.listen(at: address)
/// ```
public final class VarlinkServer<Service: VarlinkService> {
    public let eventLoop: any EventLoop
    private let service: Service
    private let directory: VarlinkServiceDirectory
    private let limits: VarlinkServerLimits
    private let rounds: LoopRounds?
    private let admit: (CInt) -> Service.Peer?

    private var listeners: [(channel: any Channel, pacing: AcceptPacing)] = []
    private var connections: [ObjectIdentifier: any Channel] = [:]
    private var stopped: EventLoopPromise<Void>?

    /// Called on the loop when a connection could not be accepted for want of descriptors or memory, with the error's number and the pause
    /// that is made before the next try.
    public var acceptFailed: ((_ errno: CInt, _ pause: TimeAmount) -> Void)?

    /// Where the time of calls is noted, for the benchmark.
    package var latency: VarlinkLatency? {
        get { directory.latency }
        set { directory.latency = newValue }
    }

    /// - Parameters:
    ///   - rounds: Counts the rounds of the loop: the `metricsDelegate` of its group. With it turns between users are shorter.
    ///   - thread: Reads long messages; without it they are read on the loop.
    ///   - admit: Says who a connection's peer is from its descriptor, which is the caller's to look at until it returns. `nil` refuses the
    ///     connection: it is closed without a word.
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
        self.directory = VarlinkServiceDirectory(service, limits: limits, rounds: rounds, thread: thread)
    }

    /// Connections open now.
    public var connectionCount: Int { connections.count }

    /// Memory that all connections hold for unfinished messages and unread replies, in bytes, beyond what each keeps anyway.
    public var heldBytes: Int { directory.schedule.bytes }

    /// Binds a socket and listens.
    ///
    /// The socket gets the mode that the process's umask leaves it: set the umask before, do not change the mode behind. A socket
    /// left over from a former run is the caller's to remove.
    public func listen(at address: VarlinkAddress) -> EventLoopFuture<Void> {
        let pacing = makePacing()
        return listening(bootstrap(pacing).bind(unixDomainSocketPath: address.path), pacing)
    }

    /// Listens on a socket that is bound and listening already, as systemd hands it over. The descriptor is the server's from here on.
    /// - Parameter backlog: Connections that may wait to be accepted; the system has a bound of its own (net.core.somaxconn). `nil` leaves
    ///   what SwiftNIO makes of it: 128.
    public func listen(on descriptor: NIOBSDSocket.Handle, backlog: CInt? = nil) -> EventLoopFuture<Void> {
        let pacing = makePacing()
        let bound = bootstrap(pacing).withBoundSocket(descriptor).assumeIsolated().flatMapThrowing { channel in
            if let backlog { try VarlinkServer.setBacklog(of: channel, backlog) }
            return channel
        }
        return listening(bound.nonisolated(), pacing)
    }

    /// Once more: a channel made of a socket that listens already has called `listen` with a backlog of its own.
    private static func setBacklog(of channel: any Channel, _ backlog: CInt) throws {
        let failure = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { descriptor in
            systemListen(descriptor, backlog) == 0 ? nil : IOError(errnoCode: errno, reason: "listen")
        }
        if let failure = failure ?? nil { throw failure }
    }

    private func makePacing() -> AcceptPacing {
        AcceptPacing { [weak self] code, pause in self?.acceptFailed?(code, pause) }
    }

    /// Stops listening, lets every connection finish the call at hand, and closes those that have not done so in time.
    public func shutDown(within time: TimeAmount) -> EventLoopFuture<Void> {
        if let stopped { return stopped.futureResult }
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

    private func listening(_ bound: EventLoopFuture<any Channel>, _ pacing: AcceptPacing) -> EventLoopFuture<Void> {
        bound.assumeIsolated().map { channel in
            if self.stopped == nil { self.listeners.append((channel, pacing)) } else { channel.close(promise: nil) }
        }.nonisolated()
    }

    private func bootstrap(_ pacing: AcceptPacing) -> ServerBootstrap {
        let server = NIOLoopBound(self, eventLoop: eventLoop), pacing = NIOLoopBound(pacing, eventLoop: eventLoop)
        return ServerBootstrap(group: eventLoop)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.maxMessagesPerRead, value: AcceptTurns.perRound)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let turns = AcceptTurns(rounds: server.value.rounds) { server.value.mayWait(waiting: $0, ofUser: $1) }
                    try channel.pipeline.syncOperations.addHandlers([pacing.value, turns])
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.recvAllocator, value: VarlinkServer.readBuffers)
            // Writable is who has been sent everything: what waits in the channel is one write.
            .childChannelOption(.writeBufferWaterMark, value: ChannelOptions.Types.WriteBufferWaterMark(low: 1, high: 1))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try server.value.accept(channel) }
            }
    }

    /// Each connection keeps the buffer that it was last read with: one in which most calls fit, instead of the 2 KiB that a channel begins
    /// with. It grows to 8 KiB where a client sends more: a long message takes some more reads, each of which lets others come between.
    private static var readBuffers: AdaptiveRecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 512, maximum: 8 * 1024)
    }

    /// Those who wait to be let in count as connections; one user's are a quarter of all at most.
    private func mayWait(waiting: Int, ofUser: Int) -> Bool {
        stopped == nil && connections.count + waiting < limits.connections && ofUser < min(max(16, limits.connections / 4), 4_096)
    }

    private func accept(_ channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        guard stopped == nil, connections.count < limits.connections,
            let peer = try pipeline.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self, admit) ?? nil
        else { throw VarlinkConnectionRefused() }
        let handler = VarlinkServerHandler(
            service: service, peer: peer, directory: directory, eventLoop: eventLoop, limits: limits)
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

/// A connection was not let in.
struct VarlinkConnectionRefused: Error {}
