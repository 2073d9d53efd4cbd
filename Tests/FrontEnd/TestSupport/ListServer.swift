import NIOCore
import NIOPosix
import Synchronization

/// A server of revocation lists on a port of its own: each path's answer is written as it is. For tests only.
public final class ListServer: Sendable {
    /// What follows a request.
    public enum Answer: Sendable {
        /// 200 with this body.
        case list([UInt8])
        /// Anything, then the connection is closed.
        case raw(String)
        case redirect(String)
        /// 200 and bytes without end.
        case endless
        /// Nothing at all.
        case silence
    }

    private let channel: any Channel
    private let state = Mutex<(answers: [String: Answer], log: [String])>(([:], []))

    public init() async throws {
        let box = Box()
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Handler(box)) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        box.server.withLock { $0 = self }
    }

    public var port: Int { channel.localAddress?.port ?? 0 }
    public func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }
    public func answer(_ path: String, _ answer: Answer) { state.withLock { $0.answers[path] = answer } }
    /// The paths that were asked for.
    public var log: [String] { state.withLock { $0.log } }
    public func stop() async { try? await channel.close().get() }

    private func answer(to path: String) -> Answer {
        state.withLock { state in
            state.log.append(path)
            return state.answers[path] ?? .raw("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        }
    }

    private final class Box: Sendable {
        let server = Mutex<ListServer?>(nil)
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let box: Box
        private var request = ""
        init(_ box: Box) { self.box = box }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data)
            // A TLS record (RFC 8446 §5.1): this server has no TLS.
            guard bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) != 22 else {
                return context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 400 Bad Request\r\n\r\n")), promise: nil)
            }
            request += String(buffer: bytes)
            guard request.contains("\r\n\r\n") else { return }
            let words = request.split(separator: " ")
            request = ""
            guard words.count > 1, let server = box.server.withLock({ $0 }) else { return context.close(promise: nil) }
            var answer = context.channel.allocator.buffer(capacity: 256)
            switch server.answer(to: String(words[1])) {
            case .silence: return
            case .list(let bytes):
                answer.writeString("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: \(bytes.count)\r\n\r\n")
                answer.writeBytes(bytes)
            case .raw(let text): answer.writeString(text)
            case .redirect(let place):
                answer.writeString("HTTP/1.1 302 Found\r\nLocation: \(place)\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            case .endless:
                answer.writeString("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                context.write(wrapOutboundOut(answer), promise: nil)
                return Self.more(context.channel)
            }
            let channel = context.channel
            context.writeAndFlush(wrapOutboundOut(answer)).whenComplete { _ in channel.close(promise: nil) }
        }

        private static func more(_ channel: any Channel) {
            channel.writeAndFlush(ByteBuffer(repeating: 0x30, count: 1 << 16)).whenSuccess { more(channel) }
        }
    }
}
