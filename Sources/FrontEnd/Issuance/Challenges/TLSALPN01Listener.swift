import ACME
import CertificateStore
import NIOCore
import NIOSSL
import NIOTLS

/// tls-alpn-01 (RFC 8737) with a built-in TLS server, which runs only while names are being validated.
///
/// It shows a certificate only to a client that offers the protocol acme-tls/1 alone and names a server under
/// validation. Any other gets an alert.
public final class TLSALPN01Listener: ChallengeSolver {
    /// The sockets and answers that the listeners of one order share: their addresses may overlap, and the CA may be sent
    /// to any of them.
    public final class Site: Sendable {
        fileprivate let server: ChallengeServer
        fileprivate let board = ChallengeBoard<TLSALPN01Certificate>()

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
                    busy: "if it is another order, run the command again later; if it is a web server, let that pass the protocol "
                        + "acme-tls/1 on to another address: --tls-alpn01-address IP:PORT (operations.md has an example)",
                    forbidden: "let a web server pass the protocol acme-tls/1 on to a port above 1023: --tls-alpn01-address IP:PORT"))
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

    public var type: ChallengeType { .tlsALPN01 }

    /// No wildcards (RFC 8737 §3). IP addresses are allowed (RFC 8738 §6).
    public func canSolve(_ identifier: Identifier) -> Bool { !identifier.isWildcard }

    /// The bound port of the first socket; `nil` before `prepare`.
    public var port: Int? { site.server.port }

    public func check() throws { try site.server.check(endpoints) }

    public func prepare() async throws { try await site.server.listen(on: endpoints) { [board = site.board] in [TLSALPN01Gate(board)] } }

    public func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String {
        "\(endpoints.map(\.description).joined(separator: ",")) \(TLSALPN01Certificate.serverName(of: identifier))"
    }

    public func present(_ answer: ChallengeAnswer) async throws {
        let certificate: TLSALPN01Certificate
        do { certificate = try TLSALPN01Certificate(answer.identifier, answer.keyAuthorization) } catch {
            throw IssuanceError.solver(answer.identifier, reason: "no certificate can be made for it: \(error)", hint: nil)
        }
        site.board.show(certificate, for: TLSALPN01Certificate.serverName(of: answer.identifier))
    }

    public func waitForValidation(of answers: [ChallengeAnswer], quiet: Duration, limit: Duration) async -> Bool {
        await site.board.waitForLooks(
            at: answers.map { TLSALPN01Certificate.serverName(of: $0.identifier) }, quiet: quiet, limit: limit)
    }

    /// Nothing is left of an earlier process's listener, which ended with the process.
    public func cleanUp(_ answer: ChallengeAnswer) async throws {
        site.board.remove(TLSALPN01Certificate.serverName(of: answer.identifier)) { $0.keyAuthorization == answer.keyAuthorization }
    }

    public func finish() async { await site.server.close() }
}

/// Reads the ClientHello of a connection and decides, before any TLS, whether there is an answer for it.
private final class TLSALPN01Gate: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case reading(ClientHello.Reader)
        case passing
        case refused
    }

    private let board: ChallengeBoard<TLSALPN01Certificate>
    private var state = State.reading(ClientHello.Reader())

    init(_ board: ChallengeBoard<TLSALPN01Certificate>) { self.board = board }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .refused: return
        case .passing: context.fireChannelRead(data)
        case .reading(var reader):
            let reading = reader.take(unwrapInboundIn(data))
            state = .reading(reader)
            switch reading {
            case .incomplete: return
            case .malformed: refuse(context, .decodeError)
            case .complete(let hello): decide(context, hello, reader.received)
            }
        }
    }

    private func decide(_ context: ChannelHandlerContext, _ hello: ClientHello, _ received: ByteBuffer) {
        // RFC 8737 §3: the CA offers this protocol alone.
        guard hello.protocols == [TLSALPN01Certificate.applicationProtocol] else { return refuse(context, .noApplicationProtocol) }
        guard let name = hello.serverName, let certificate = board.answer(for: name) else { return refuse(context, .unrecognizedName) }
        state = .passing
        do {
            try context.pipeline.syncOperations.addHandlers(
                [NIOSSLServerHandler(context: certificate.context), TLSALPN01Connection(board, name)], position: .after(self))
        } catch { return context.close(promise: nil) }
        context.fireChannelRead(wrapInboundOut(received))
        context.fireChannelReadComplete()
    }

    /// RFC 8446 §6.2
    private enum Alert: UInt8 { case decodeError = 50, unrecognizedName = 112, noApplicationProtocol = 120 }

    private func refuse(_ context: ChannelHandlerContext, _ alert: Alert) {
        state = .refused
        let channel = context.channel
        // An alert record with one fatal alert.
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: [21, 3, 3, 0, 2, 2, alert.rawValue]))).whenComplete { _ in
            // Half-close first, so that a client that is still sending gets the alert instead of a reset.
            channel.close(mode: .output, promise: nil)
            channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .reading = state, case .inputClosed = event as? ChannelEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Ends a connection after its handshake, which was the answer.
private final class TLSALPN01Connection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let board: ChallengeBoard<TLSALPN01Certificate>
    private let name: String

    init(_ board: ChallengeBoard<TLSALPN01Certificate>, _ name: String) {
        self.board = board
        self.name = name
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted = event as? TLSUserEvent else { return }
        board.look(at: name)
        board.answered()
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
