import ACME
import CertificateStore
import NIOCore
import NIOHTTP1

/// http-01 (RFC 8555 §8.3) with a built-in server, which runs only while names are being validated and serves
/// only challenges.
public final class HTTP01Listener: ChallengeSolver {
    /// Unread bytes kept for a connection: twice the size of the largest request head.
    static let maximumBuffer = 16 * 1024

    /// The sockets and answers that the listeners of one order share: their addresses may overlap, and the CA may be sent
    /// to any of them.
    public final class Site: Sendable {
        fileprivate let server: ChallengeServer
        fileprivate let board = ChallengeBoard<String>()

        /// - Parameters:
        ///   - inherited: the sockets that were handed over, of which the endpoints may name some.
        ///   - patience: how long to wait if another program, maybe another order, listens on one of the addresses.
        ///   - observer: is told while it waits for an address.
        public init(
            inherited: InheritedSockets = .current, patience: Duration = ChallengeServer.patience,
            observer: @escaping IssuanceObserver = { _ in }
        ) {
            server = ChallengeServer(
                inherited: inherited, patience: patience, observer: observer,
                advice: ChallengeServer.Advice(
                    busy: "if it is another order, run the command again later; if it is a web server, use its folder: --webroot FOLDER",
                    forbidden: "have a web server serve the challenges: --webroot FOLDER"))
        }
    }

    private let endpoints: [ListenEndpoint]
    private let site: Site

    /// - Parameters:
    ///   - addresses: where to listen; a CA prefers IPv6 if the name has an AAAA record.
    ///   - patience: how long to wait if another program, maybe another order, listens on one of them.
    public convenience init(addresses: [ListenAddress], patience: Duration = ChallengeServer.patience) {
        self.init(addresses.map { .address($0) }, patience: patience)
    }

    /// - Parameters:
    ///   - inherited: the sockets that were handed over, of which the endpoints may name some.
    ///   - observer: is told while it waits for an address.
    public convenience init(
        _ endpoints: [ListenEndpoint], inherited: InheritedSockets = .current, patience: Duration = ChallengeServer.patience,
        observer: @escaping IssuanceObserver = { _ in }
    ) {
        self.init(endpoints, at: Site(inherited: inherited, patience: patience, observer: observer))
    }

    /// - Parameter site: that of the order's other listeners.
    public init(_ endpoints: [ListenEndpoint], at site: Site) {
        self.endpoints = endpoints
        self.site = site
    }

    public var type: ChallengeType { .http01 }

    /// No wildcards (RFC 8555 §8.3). IP addresses are allowed (RFC 8738 §4).
    public func canSolve(_ identifier: Identifier) -> Bool { !identifier.isWildcard }

    /// The bound port of the first socket; `nil` before `prepare`.
    public var port: Int? { site.server.port }

    public func check() throws { try site.server.check(endpoints) }

    public func prepare() async throws {
        try await site.server.listen(on: endpoints) { [board = site.board] in
            [
                HTTPResponseEncoder(),
                // The decoder's own limits count only names and values; this one counts all that it buffers.
                ByteToMessageHandler(
                    HTTPRequestDecoder(limitConfiguration: ChallengeRequest.limits), maximumBufferSize: Self.maximumBuffer),
                ChallengeConnection(board: board),
            ]
        }
    }

    public func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String {
        endpoints.map(\.description).joined(separator: ",") + ChallengeRequest.prefix + keyAuthorization.token
    }

    public func present(_ answer: ChallengeAnswer) async throws {
        site.board.show(answer.keyAuthorization.text, for: answer.keyAuthorization.token)
    }

    public func waitForValidation(of answers: [ChallengeAnswer], quiet: Duration, limit: Duration) async -> Bool {
        await site.board.waitForLooks(at: answers.map(\.keyAuthorization.token), quiet: quiet, limit: limit)
    }

    /// Nothing is left of an earlier process's listener, which ended with the process.
    public func cleanUp(_ answer: ChallengeAnswer) async throws {
        site.board.remove(answer.keyAuthorization.token)
    }

    public func finish() async { await site.server.close() }
}

/// One connection: one request, one response, then it is closed.
private final class ChallengeConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let board: ChallengeBoard<String>
    private var isAnswered = false

    init(board: ChallengeBoard<String>) { self.board = board }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // What follows the head is dropped.
        guard case .head(let head) = unwrapInboundIn(data) else { return }
        let request = ChallengeRequest(head)
        let keyAuthorization = isAnswered ? nil : request.token.flatMap { board.look(at: $0) }
        answer(context, request.response(keyAuthorization), isLook: keyAuthorization != nil)
    }

    private func answer(_ context: ChannelHandlerContext, _ response: ChallengeResponse, isLook: Bool) {
        guard !isAnswered else { return }
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
