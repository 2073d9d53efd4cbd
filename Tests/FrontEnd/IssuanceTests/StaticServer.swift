import Foundation
import NIOCore
import NIOPosix
import TestSupport

@testable import Issuance

/// A minimal web server for a folder, in place of the one that a webroot belongs to.
final class StaticServer: Sendable {
    private let channel: any Channel

    init(root: String, port: Int) async throws {
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Handler(root: root)) }
            }
            .bind(host: "127.0.0.1", port: port).get()
    }

    func stop() async { try? await channel.close().get() }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let root: String
        private var received: [UInt8] = []
        init(root: String) { self.root = root }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received.append(contentsOf: unwrapInboundIn(data).readableBytesView)
            guard case .request(let request) = ChallengeRequest.read(received) else { return }
            let text = request.token.flatMap { try? String(contentsOfFile: root + ChallengeRequest.prefix + $0, encoding: .utf8) }
            let channel = context.channel
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: request.response(text)))).whenComplete { _ in
                channel.close(promise: nil)
            }
        }
    }
}
