// Docs/clients.md and AgentTLS.docc show the lines between the two marks; Docs/check compares them.
// example: begin
import AgentTLS
import NIOCore
import NIOPosix
import NIOSSL

/// Says hello to each client, over TLS. `folder` is the certificate's folder of acme-agent.
func serve(folder: String, host: String = "::", port: Int = 443) async throws -> any Channel {
    let signer = AgentSigner { failure in print(failure) }
    let identity = try AgentIdentity(folder: folder, signer: signer)
    let context = try NIOSSLContext(configuration: identity.serverConfiguration())
    return try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                try channel.pipeline.syncOperations.addHandler(Greeter())
            }
        }
        .bind(host: host, port: port).get()
}

final class Greeter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "hello\n")), promise: nil)
    }
}
// example: end
