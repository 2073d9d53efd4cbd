import Foundation
import NIOCore
import NIOHTTP1
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
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        HTTPResponseEncoder(), ByteToMessageHandler(HTTPRequestDecoder()), Handler(root: root),
                    ])
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
    }

    func stop() async { try? await channel.close().get() }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        private let root: String
        init(root: String) { self.root = root }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard case .head(let head) = unwrapInboundIn(data) else { return }
            let request = ChallengeRequest(head)
            let text = request.token.flatMap { try? String(contentsOfFile: root + ChallengeRequest.prefix + $0, encoding: .utf8) }
            let response = request.response(text)
            let channel = context.channel
            context.write(wrapOutboundOut(.head(response.head)), promise: nil)
            if let body = response.body { context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil) }
            context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
        }
    }
}
