import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import X509

@testable import AgentTLS

/// What a client saw of one handshake.
struct Greeting: Sendable {
    var version: TLSVersion?
    /// The public key of the server's certificate.
    var spki: [UInt8]
    var text: String
}

/// A TLS client that connects, reads one greeting and closes.
struct TestClient: Sendable {
    private let context: NIOSSLContext

    init(
        trusting authority: TestAuthority, _ base: TLSConfiguration = .makeClientConfiguration(),
        change: (inout TLSConfiguration) -> Void = { _ in }
    )
        throws
    {
        var configuration = base
        configuration.trustRoots = .certificates([
            try NIOSSLCertificate(bytes: Array(authority.root.serializeAsPEM().derBytes), format: .der)
        ])
        // Ed25519 is not among BoringSSL's defaults.
        configuration.verifySignatureAlgorithms = SignatureAlgorithm.agents
        change(&configuration)
        context = try NIOSSLContext(configuration: configuration)
    }

    /// - Throws: What the client's pipeline failed with.
    func greet(port: Int, name: String = "localhost", within timeout: TimeAmount = .seconds(20)) async throws -> Greeting {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let greeting = loop.makePromise(of: Greeting.self)
        let context = context
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let tls = try NIOSSLClientHandler(context: context, serverHostname: name)
                        try channel.pipeline.syncOperations.addHandler(tls)
                        try channel.pipeline.syncOperations.addHandler(Listener(tls, greeting))
                    }
                }
                .connect(host: "127.0.0.1", port: port).get()
        } catch {
            greeting.fail(error)
            throw error
        }
        let timer = loop.scheduleTask(in: timeout) { greeting.fail(TestFailure("no greeting within \(timeout)")) }
        defer {
            timer.cancel()
            channel.close(promise: nil)
        }
        return try await greeting.futureResult.get()
    }

    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let tls: NIOSSLClientHandler
        private let greeting: EventLoopPromise<Greeting>
        init(_ tls: NIOSSLClientHandler, _ greeting: EventLoopPromise<Greeting>) {
            self.tls = tls
            self.greeting = greeting
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            do {
                greeting.succeed(
                    Greeting(
                        version: tls.tlsVersion, spki: try tls.peerCertificate?.extractPublicKey().toSPKIBytes() ?? [],
                        text: String(buffer: unwrapInboundIn(data))))
            } catch { greeting.fail(error) }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            greeting.fail(error)
            context.close(promise: nil)
        }
        func channelInactive(context: ChannelHandlerContext) { greeting.fail(ChannelError.eof) }
    }
}
