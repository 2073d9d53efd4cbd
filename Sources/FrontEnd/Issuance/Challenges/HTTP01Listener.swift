import ACME
import CertificateStore
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// http-01 (RFC 8555 §8.3) with a built-in server, which runs only while names are being validated and serves
/// only challenges.
public final class HTTP01Listener: ChallengeSolver {
    /// A CA opens a handful of connections for each name; more than this come from scanners.
    static let maximumConnections = 512
    /// A CA sends its request at once; Let's Encrypt itself waits 10 s.
    static let connectionTimeout: TimeAmount = .seconds(10)
    /// Unread bytes kept for a connection: twice the size of the largest request head.
    static let maximumBuffer = 16 * 1024

    /// How long to wait for another order's listener: most names are validated in less.
    public static let patience: Duration = .seconds(10)
    /// Milliseconds between two attempts; random, so that no waiting order is always the last.
    private static let retryInterval = 40...120

    private let addresses: [ListenAddress]
    private let patience: Duration
    private let board = ChallengeBoard()
    private let channels = Mutex<[any Channel]>([])
    private let connections = Mutex(0)

    /// - Parameters:
    ///   - addresses: where to listen; a CA prefers IPv6 if the name has an AAAA record.
    ///   - patience: how long to wait if another program, maybe another order, listens on one of them.
    public init(addresses: [ListenAddress], patience: Duration = HTTP01Listener.patience) {
        self.addresses = addresses
        self.patience = patience
    }

    public var type: ChallengeType { .http01 }

    /// No wildcards (RFC 8555 §8.3). IP addresses are allowed (RFC 8738 §4).
    public func canSolve(_ identifier: Identifier) -> Bool { !identifier.isWildcard }

    /// The bound port of the first address; `nil` before `prepare`.
    public var port: Int? { channels.withLock { $0.first?.localAddress?.port } }

    /// Checks only that this user may bind the ports; another program may be listening on them.
    public func check() throws {
        for address in addresses where address.port > 0 && address.port < 1_024 {
            let socket = try SocketAddress(ipAddress: address.address.text, port: address.port)
            let descriptor = Glibc.socket(address.address.isIPv4 ? AF_INET : AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            let result = socket.withSockAddr { Glibc.bind(descriptor, $0, socklen_t($1)) }
            guard result != 0, errno == EACCES else { continue }
            throw explain(IOError(errnoCode: EACCES, reason: "bind"), address)
        }
    }

    public func prepare() async throws {
        guard channels.withLock({ $0.isEmpty }) else { return }
        let end = ContinuousClock.now + patience
        while let (address, error) = await bindAll() {
            // Hold none while waiting: two orders that hold one address each would wait for each other.
            await finish()
            guard (error as? IOError)?.errnoCode == EADDRINUSE, ContinuousClock.now < end else { throw explain(error, address) }
            try await Task.sleep(for: .milliseconds(Int.random(in: Self.retryInterval)))
        }
    }

    /// - Returns: The first address on which it cannot listen, and why.
    private func bindAll() async -> (ListenAddress, any Error)? {
        for address in addresses {
            do {
                let channel = try await bind(address)
                channels.withLock { $0.append(channel) }
            } catch { return (address, error) }
        }
        return nil
    }

    private func bind(_ address: ListenAddress) async throws -> any Channel {
        let socket = try SocketAddress(ipAddress: address.address.text, port: address.port)
        var bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(ChannelOptions.backlog, value: 256)
            .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(ChannelOptions.maxMessagesPerRead, value: 1)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        HTTPResponseEncoder(),
                        // The decoder's own limits count only names and values; this one counts all that it buffers.
                        ByteToMessageHandler(
                            HTTPRequestDecoder(limitConfiguration: ChallengeRequest.limits), maximumBufferSize: Self.maximumBuffer),
                        ChallengeConnection(listener: self, board: board),
                    ])
                }
            }
        if !address.address.isIPv4 {
            // Allows listening on both [::] and 0.0.0.0, whatever the system's default is.
            bootstrap = bootstrap.serverChannelOption(ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: 1)
        }
        return try await bootstrap.bind(to: socket).get()
    }

    private func explain(_ error: any Error, _ address: ListenAddress) -> IssuanceError {
        let reason: String
        var hint: String?
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE:
            let time = patience >= .seconds(1) ? " (waited \(patience.components.seconds) s)" : ""
            return .busy(
                "another program listens on \(address)\(time)",
                hint: "if it is another order, run the command again later; if it is a web server, use its folder: --webroot FOLDER")
        case EACCES:
            reason = "this user may not listen on \(address)"
            hint =
                "run it in a systemd unit with AmbientCapabilities=CAP_NET_BIND_SERVICE, or have a web server serve the challenges: "
                + "--webroot FOLDER (operations.md has both)"
        case EADDRNOTAVAIL:
            reason = "this machine has no address \(address.address)"
        default: reason = "cannot listen on \(address): \(error)"
        }
        return .solver(nil, reason: reason, hint: hint)
    }

    public func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String {
        addresses.map(\.description).joined(separator: ",") + ChallengeRequest.prefix + keyAuthorization.token
    }

    public func present(_ answer: ChallengeAnswer) async throws { board.show(answer.keyAuthorization) }

    public func waitForValidation(of answers: [ChallengeAnswer], quiet: Duration, limit: Duration) async -> Bool {
        await board.waitForLooks(at: answers.map(\.keyAuthorization.token), quiet: quiet, limit: limit)
    }

    /// Nothing is left of an earlier process's listener, which ended with the process.
    public func cleanUp(_ answer: ChallengeAnswer) async throws {
        board.remove(token: answer.keyAuthorization.token)
    }

    public func finish() async {
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

/// One connection: one request, one response, then it is closed.
private final class ChallengeConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let listener: HTTP01Listener
    private let board: ChallengeBoard
    private var isAdmitted = false
    private var isAnswered = false
    private var timeout: Scheduled<Void>?

    init(listener: HTTP01Listener, board: ChallengeBoard) {
        self.listener = listener
        self.board = board
    }

    func channelActive(context: ChannelHandlerContext) {
        isAdmitted = listener.admit()
        guard isAdmitted else { return context.close(promise: nil) }
        let channel = context.channel
        timeout = context.eventLoop.scheduleTask(in: HTTP01Listener.connectionTimeout) { channel.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        timeout?.cancel()
        if isAdmitted { listener.leave() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // What follows the head is dropped.
        guard case .head(let head) = unwrapInboundIn(data) else { return }
        let request = ChallengeRequest(head)
        let keyAuthorization = isAdmitted && !isAnswered ? request.token.flatMap { board.look(at: $0) } : nil
        answer(context, request.response(keyAuthorization), isLook: keyAuthorization != nil)
    }

    private func answer(_ context: ChannelHandlerContext, _ response: ChallengeResponse, isLook: Bool) {
        guard isAdmitted, !isAnswered else { return }
        isAnswered = true
        let channel = context.channel
        let board = board
        context.write(wrapOutboundOut(.head(response.head)), promise: nil)
        if let body = response.body { context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
            if isLook { board.answered() }
            // Half-close first, so that a client that is still sending gets the answer instead of a reset.
            channel.close(mode: .output, promise: nil)
            channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed = event as? ChannelEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Not HTTP/1, or a head that is too large.
        guard error is HTTPParserError else { return context.close(promise: nil) }
        answer(context, ChallengeResponse(.badRequest, "no request\n"), isLook: false)
    }
}
