import ACME
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// The listening sockets of a challenge type: binds them for an order, and admits a bounded number of connections for a
/// bounded time each. The listeners of one order share it: each says where it listens, and no two sockets are in each
/// other's way.
public final class ChallengeServer: Sendable {
    /// A CA opens a handful of connections for each name; more than this come from scanners.
    static let maximumConnections = 512
    /// A CA sends its request at once; Let's Encrypt itself waits 10 s.
    static let connectionTimeout: TimeAmount = .seconds(10)

    /// How long to wait for another order's listener: most names are validated in less.
    public static let patience: Duration = .seconds(10)
    /// Milliseconds between two attempts; random, so that no waiting order is always the last.
    private static let retryInterval = 40...120

    /// What the user can do where listening fails; it differs between challenge types.
    struct Advice: Sendable {
        /// Another program has the port.
        var busy: String
        /// This user may not have the port.
        var forbidden: String
    }

    private let inherited: InheritedSockets
    private let patience: Duration
    private let advice: Advice
    private let observer: IssuanceObserver
    private let channels = Mutex<[any Channel]>([])
    /// Where it listens.
    private let endpoints = Mutex<[ListenEndpoint]>([])
    private let connections = Mutex(0)

    init(inherited: InheritedSockets, patience: Duration, observer: @escaping IssuanceObserver, advice: Advice) {
        self.inherited = inherited
        self.patience = patience
        self.advice = advice
        self.observer = observer
    }

    /// The bound port of the first socket; `nil` before `listen`.
    var port: Int? { channels.withLock { $0.first?.localAddress?.port } }

    /// Checks only that this user may bind the ports, and has the sockets that were handed over; another program may be
    /// listening on the ports.
    func check(_ endpoints: [ListenEndpoint]) throws {
        for endpoint in endpoints {
            switch endpoint {
            case .address(let address): try check(address)
            case .inherited(let name):
                do { _ = try inherited.descriptors(name) } catch { throw explain(error, endpoint) }
            }
        }
    }

    private func check(_ address: ListenAddress) throws {
        if address.port > 0 && address.port < 1_024 {
            let socket = try SocketAddress(ipAddress: address.address.text, port: address.port)
            let descriptor = Glibc.socket(address.address.isIPv4 ? AF_INET : AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
            guard descriptor >= 0 else { return }
            defer { Glibc.close(descriptor) }
            let result = socket.withSockAddr { Glibc.bind(descriptor, $0, socklen_t($1)) }
            guard result != 0, errno == EACCES else { return }
            throw explain(IOError(errnoCode: EACCES, reason: "bind"), .address(address))
        }
    }

    /// Listens on these addresses as well; does nothing if it already does.
    /// - Parameter handlers: makes those of one connection, which end it when they are done.
    func listen(on more: [ListenEndpoint], _ handlers: @escaping @Sendable () throws -> [any ChannelHandler]) async throws {
        let current = endpoints.withLock { $0 }
        guard !more.allSatisfy({ endpoint in current.contains { $0.covers(endpoint) } }) else { return }
        // A socket for every address takes the place of one for a single address: the system would refuse it beside.
        let all = Self.distinct(current + more)
        await close()
        let end = ContinuousClock.now + patience
        var isWaiting = false
        // Until the next request says it better.
        defer { if isWaiting { observer(.waiting(seconds: 0, reason: "for the CA")) } }
        while let (endpoint, error) = await bindAll(all, handlers) {
            // Hold none while waiting: two orders that hold one address each would wait for each other.
            await close()
            guard (error as? IOError)?.errnoCode == EADDRINUSE, ContinuousClock.now < end else { throw explain(error, endpoint) }
            if !isWaiting { observer(.waiting(seconds: 0, reason: "for another program to leave \(endpoint)")) }
            isWaiting = true
            try await Task.sleep(for: .milliseconds(Int.random(in: Self.retryInterval)))
        }
        endpoints.withLock { $0 = all }
    }

    /// Without those that others cover, each once.
    static func distinct(_ endpoints: [ListenEndpoint]) -> [ListenEndpoint] {
        endpoints.enumerated().filter { index, endpoint in
            !endpoints.enumerated().contains { other, wider in
                other != index && wider.covers(endpoint) && (other < index || !endpoint.covers(wider))
            }
        }.map(\.element)
    }

    /// - Returns: The first endpoint on which it cannot listen, and why.
    private func bindAll(
        _ endpoints: [ListenEndpoint], _ handlers: @escaping @Sendable () throws -> [any ChannelHandler]
    ) async -> (ListenEndpoint, any Error)? {
        for endpoint in endpoints {
            do {
                switch endpoint {
                case .address(let address): add(try await bind(address, handlers))
                case .inherited(let name):
                    for descriptor in try inherited.descriptors(name) { add(try await accept(from: descriptor, handlers)) }
                }
            } catch { return (endpoint, error) }
        }
        return nil
    }

    private func add(_ channel: any Channel) { channels.withLock { $0.append(channel) } }

    private func bootstrap(_ handlers: @escaping @Sendable () throws -> [any ChannelHandler]) -> ServerBootstrap {
        ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(ChannelOptions.backlog, value: 256)
            .childChannelOption(ChannelOptions.maxMessagesPerRead, value: 1)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([ChallengeAdmission(self)] + handlers())
                }
            }
    }

    /// Accepts connections from a socket that was handed over. It stays open for the next order; so only a duplicate is
    /// closed in the end.
    private func accept(
        from descriptor: Int32, _ handlers: @escaping @Sendable () throws -> [any ChannelHandler]
    ) async throws -> any Channel {
        let duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard duplicate >= 0 else { throw IOError(errnoCode: errno, reason: "fcntl") }
        return try await bootstrap(handlers).withBoundSocket(duplicate).get()
    }

    private func bind(
        _ address: ListenAddress, _ handlers: @escaping @Sendable () throws -> [any ChannelHandler]
    ) async throws -> any Channel {
        let socket = try SocketAddress(ipAddress: address.address.text, port: address.port)
        var bootstrap = bootstrap(handlers).serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
        if !address.address.isIPv4 {
            // Allows listening on both [::] and 0.0.0.0, whatever the system's default is.
            bootstrap = bootstrap.serverChannelOption(ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: 1)
        }
        return try await bootstrap.bind(to: socket).get()
    }

    private func explain(_ error: any Error, _ endpoint: ListenEndpoint) -> IssuanceError {
        if let fault = error as? InheritedSockets.Fault { return .solver(nil, reason: fault.reason, hint: fault.hint) }
        let reason: String
        var hint: String?
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE:
            let time = patience >= .seconds(1) ? " (waited \(patience.components.seconds) s)" : ""
            return .busy("another program listens on \(endpoint)\(time)", hint: advice.busy)
        case EACCES:
            reason = "this user may not listen on \(endpoint)"
            hint =
                "run it in a systemd unit with AmbientCapabilities=CAP_NET_BIND_SERVICE, or \(advice.forbidden) (operations.md has both)"
        case EADDRNOTAVAIL:
            reason = "this machine has no address for \(endpoint)"
        default: reason = "cannot listen on \(endpoint): \(error)"
        }
        return .solver(nil, reason: reason, hint: hint)
    }

    /// Listens no longer.
    func close() async {
        endpoints.withLock { $0 = [] }
        let open = channels.withLock { channels in
            defer { channels = [] }
            return channels
        }
        for channel in open { try? await channel.close().get() }
    }

    fileprivate func admit() -> Bool {
        connections.withLock { count in
            guard count < Self.maximumConnections else { return false }
            count += 1
            return true
        }
    }

    fileprivate func leave() { connections.withLock { $0 -= 1 } }
}

/// The first handler of a connection: closes it if there are too many, and after its time.
private final class ChallengeAdmission: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let server: ChallengeServer
    private var isAdmitted = false
    private var timeout: Scheduled<Void>?

    init(_ server: ChallengeServer) { self.server = server }

    func channelActive(context: ChannelHandlerContext) {
        isAdmitted = server.admit()
        guard isAdmitted else { return context.close(promise: nil) }
        let channel = context.channel
        timeout = context.eventLoop.scheduleTask(in: ChallengeServer.connectionTimeout) { channel.close(promise: nil) }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timeout?.cancel()
        if isAdmitted { server.leave() }
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isAdmitted { context.fireChannelRead(data) }
    }
}
