import NIOCore
import NIOEmbedded
import Varlink

/// A server's connection without a socket, its clock in the test's hand.
struct EmbeddedServer {
    let service: TestService
    let channel: EmbeddedChannel
    let reads: ReadCounter

    init(limits: VarlinkServerLimits = VarlinkServerLimits()) throws {
        var limits = limits
        // Real time passes while the embedded loop's stands still.
        limits.turn = .hours(1)
        limits.slice = .hours(1)
        limits.sliceAlone = .hours(1)
        service = try TestService()
        channel = EmbeddedChannel()
        reads = ReadCounter()
        let handler = VarlinkServerHandler(
            service: service, peer: "peer", directory: VarlinkServiceDirectory(service, limits: limits), eventLoop: channel.eventLoop,
            limits: limits)
        try channel.pipeline.syncOperations.addHandlers([reads, handler])
        channel.connect(to: try SocketAddress(unixDomainSocketPath: "/test"), promise: nil)
    }

    /// What a client sends, `|` for each NUL.
    func send(_ text: String) throws {
        try send(text.utf8.map { $0 == UInt8(ascii: "|") ? 0 : $0 })
    }

    func send(_ bytes: [UInt8]) throws {
        try channel.writeInbound(ByteBuffer(bytes: bytes))
    }

    func call(_ method: String, _ parameters: String = "{}", _ more: String = "") throws {
        try send("{\"method\":\"org.example.test.\(method)\",\"parameters\":\(parameters)\(more)}|")
    }

    func endInput() { channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }

    func setWritable(_ isWritable: Bool) {
        channel.isWritable = isWritable
        channel.pipeline.fireChannelWritabilityChanged()
    }

    /// What was sent since the last time, message by message.
    func replies() throws -> [String] {
        channel.embeddedEventLoop.run()
        var bytes: [UInt8] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { bytes += Array(buffer.readableBytesView) }
        guard bytes.isEmpty || bytes.last == 0 else { return ["not ended"] }
        return bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
            .filter { !$0.isEmpty || !bytes.isEmpty }
    }

    /// How many writes the channel was given since the last time.
    func writes() throws -> Int {
        channel.embeddedEventLoop.run()
        var count = 0
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { count += buffer.readableBytes > 0 ? 1 : 0 }
        return count
    }

    var closeReason: String? {
        channel.embeddedEventLoop.run()
        return service.closeReasons.last?.description
    }
}

/// Counts what the server's handler lets through to the socket.
final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    private(set) var count = 0

    func read(context: ChannelHandlerContext) {
        count += 1
        context.read()
    }
}
