import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

@testable import AgentTLS
@testable import AgentTLSExample

/// Failures that a signer has reported.
final class Failures: Sendable {
    private let list = Mutex<[AgentTLSError]>([])
    var all: [AgentTLSError] { list.withLock { $0 } }
    var add: @Sendable (AgentTLSError) -> Void { { failure in self.list.withLock { $0.append(failure) } } }
}

/// The server of the example, with access to what it does.
final class TestServer: Sendable {
    let identity: AgentIdentity
    private let channel: any Channel
    private let reported = Failures()
    private let caught = Errors()

    var port: Int { channel.localAddress?.port ?? 0 }
    /// What the signer reported.
    var failures: [AgentTLSError] { reported.all }
    /// What reached the end of a connection's pipeline.
    var errors: [any Error] { caught.all }

    init(
        folder: String, deadline: Duration = .seconds(3), interval: Duration = .milliseconds(50),
        on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, change: (inout TLSConfiguration) -> Void = { _ in }
    ) async throws {
        identity = try AgentIdentity(folder: folder, signer: AgentSigner(deadline: deadline, onFailure: reported.add), interval: interval)
        var configuration = identity.serverConfiguration()
        change(&configuration)
        let context = try NIOSSLContext(configuration: configuration)
        let caught = caught
        channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    try channel.pipeline.syncOperations.addHandler(Greeter())
                    try channel.pipeline.syncOperations.addHandler(LastHandler(caught))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func close() async throws { try await channel.close() }

    private final class Errors: Sendable {
        private let list = Mutex<[any Error]>([])
        var all: [any Error] { list.withLock { $0 } }
        func add(_ error: any Error) { list.withLock { $0.append(error) } }
    }

    private final class LastHandler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let caught: Errors
        init(_ caught: Errors) { self.caught = caught }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            caught.add(error)
            context.close(promise: nil)
        }
    }
}
