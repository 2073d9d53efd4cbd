import NIOCore
import NIOPosix

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
    private let admit: (CInt) -> Service.Peer?

    private var listeners: [any Channel] = []
    private var connections: [ObjectIdentifier: any Channel] = [:]
    private var stopped: EventLoopPromise<Void>?

    /// - Parameters:
    ///   - admit: Says who a connection's peer is from its descriptor, which is the caller's to look at until it returns. `nil` refuses the
    ///     connection: it is closed without a word.
    public init(
        service: Service, eventLoop: any EventLoop, limits: VarlinkServerLimits = VarlinkServerLimits(),
        admit: @escaping (_ descriptor: CInt) -> Service.Peer?
    ) {
        eventLoop.preconditionInEventLoop()
        self.service = service
        self.eventLoop = eventLoop
        self.limits = limits
        self.admit = admit
        self.directory = VarlinkServiceDirectory(service)
    }

    /// Connections open now.
    public var connectionCount: Int { connections.count }

    /// Binds a socket and listens.
    ///
    /// The socket gets the mode that the process's umask leaves it: set the umask before, do not change the mode behind. A socket
    /// left over from a former run is the caller's to remove.
    public func listen(at address: VarlinkAddress) -> EventLoopFuture<Void> {
        listening(bootstrap().bind(unixDomainSocketPath: address.path))
    }

    /// Listens on a socket that is bound and listening already, as systemd hands it over. The descriptor is the server's from here on.
    public func listen(on descriptor: NIOBSDSocket.Handle) -> EventLoopFuture<Void> {
        listening(bootstrap().withBoundSocket(descriptor))
    }

    /// Stops listening, lets every connection finish the call at hand, and closes those that have not done so in time.
    public func shutDown(within time: TimeAmount) -> EventLoopFuture<Void> {
        if let stopped { return stopped.futureResult }
        let promise = eventLoop.makePromise(of: Void.self)
        stopped = promise
        for listener in listeners { listener.close(promise: nil) }
        listeners = []
        for connection in connections.values { connection.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
        let timer = eventLoop.assumeIsolated().scheduleTask(in: time) {
            for connection in self.connections.values { connection.close(promise: nil) }
        }
        promise.futureResult.assumeIsolated().whenComplete { _ in timer.cancel() }
        if connections.isEmpty { promise.succeed() }
        return promise.futureResult
    }

    private func listening(_ bound: EventLoopFuture<any Channel>) -> EventLoopFuture<Void> {
        bound.assumeIsolated().map { channel in
            if self.stopped == nil { self.listeners.append(channel) } else { channel.close(promise: nil) }
        }.nonisolated()
    }

    private func bootstrap() -> ServerBootstrap {
        let server = NIOLoopBound(self, eventLoop: eventLoop)
        return ServerBootstrap(group: eventLoop)
            .serverChannelOption(.backlog, value: 4096)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.recvAllocator, value: VarlinkServer.readBuffers)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try server.value.accept(channel) }
            }
    }

    /// Each connection keeps the buffer that it was last read with: one in which most calls fit, instead of the 2 KiB that a channel begins
    /// with. It grows to 64 KiB where a client sends more.
    private static var readBuffers: AdaptiveRecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 512, maximum: 64 * 1024)
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
            if self.connections.isEmpty { self.stopped?.succeed() }
        }
    }
}

/// A connection was not let in.
struct VarlinkConnectionRefused: Error {}
