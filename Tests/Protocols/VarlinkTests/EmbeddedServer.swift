import NIOCore
import NIOEmbedded
import Varlink

/// A server's connection without a socket, with a clock that the test controls.
struct EmbeddedServer {
    let service: TestService
    let channel: EmbeddedChannel
    let reads: ReadCounter

    init(limits: VarlinkServerLimits = VarlinkServerLimits()) throws {
        var limits = limits
        // Real time passes while the embedded loop's clock stands still.
        limits.turn = .hours(1)
        limits.slice = .hours(1)
        limits.sliceAlone = .hours(1)
        service = try TestService()
        channel = EmbeddedChannel()
        reads = ReadCounter()
        let handler = VarlinkServerHandler(
            service: service, peer: "peer", core: VarlinkServerCore(service, limits: limits), eventLoop: channel.eventLoop,
            limits: limits)
        try channel.pipeline.syncOperations.addHandlers([reads, handler])
        channel.connect(to: try SocketAddress(unixDomainSocketPath: "/test"), promise: nil)
    }

    /// Sends `text` as a client, with a NUL for each `|`.
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

    /// The messages sent since the last call.
    func replies() throws -> [String] {
        channel.embeddedEventLoop.run()
        var bytes: [UInt8] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { bytes += Array(buffer.readableBytesView) }
        guard bytes.isEmpty || bytes.last == 0 else { return ["not ended"] }
        return bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
            .filter { !$0.isEmpty || !bytes.isEmpty }
    }

    /// The number of writes since the last call.
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

/// Counts the reads that the server's handler passes on to the socket.
final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    private(set) var count = 0

    func read(context: ChannelHandlerContext) {
        count += 1
        context.read()
    }
}
