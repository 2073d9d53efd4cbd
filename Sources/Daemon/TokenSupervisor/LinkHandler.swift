import NIOCore
import TokenProtocol

/// One link to the helper as a channel: bytes in, replies out. The requests of one round of the loop leave in one
/// write.
final class LinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let received: (UInt32, HelperReply) -> Void
    private let readEnded: () -> Void
    private let ended: (String) -> Void
    private var decoder = FrameDecoder()
    private var outgoing: [UInt8] = []
    private var buffer = ByteBuffer()
    private var context: ChannelHandlerContext?
    private var hasEnded = false

    /// - Parameters:
    ///   - received: Called for each reply.
    ///   - readEnded: Called after the last of the replies that came together.
    init(received: @escaping (UInt32, HelperReply) -> Void, readEnded: @escaping () -> Void, ended: @escaping (String) -> Void) {
        self.received = received
        self.readEnded = readEnded
        self.ended = ended
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    /// Adds a request to what `flush` sends.
    func append(_ request: HelperRequest, id: UInt32) { request.encode(id: id, to: &outgoing) }

    /// Hands what was appended to the kernel, in one write.
    func flush() {
        guard !outgoing.isEmpty, let context else { return }
        buffer.clear()
        buffer.writeBytes(outgoing)
        outgoing.removeAll(keepingCapacity: outgoing.capacity <= 64 * 1024)
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        bytes.withUnsafeReadableBytes { decoder.append($0) }
        do throws(FrameError) {
            while let (id, reply) = try decoder.nextReply() { received(id, reply) }
            // Not after an invalid frame: a helper that sends one gets nothing more to sign.
            readEnded()
        } catch {
            end("it sent something that is not a reply: \(error)")
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { end("it closed a link") }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end("a link failed: \(error)")
        context.close(promise: nil)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end("a link was closed")
        self.context = nil
    }

    func close() {
        hasEnded = true
        context?.close(promise: nil)
    }

    private func end(_ why: String) {
        guard !hasEnded else { return }
        hasEnded = true
        ended(why)
    }
}
