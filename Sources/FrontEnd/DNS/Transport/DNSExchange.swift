import Glibc
import NIOCore
import NIOPosix

/// One request to one server, and its answer. Each has a socket of its own, so its source port is random and the kernel
/// passes on only what comes from that server's address and port (RFC 5452 §9.2).
enum DNSExchange {
    enum Transport: Sendable { case datagram, stream }

    /// Datagrams with another id or question that are looked at; more of them are an attack.
    private static let mostStrays = 1000
    /// The length of a message on a stream takes two bytes (RFC 1035 §4.2.2).
    private static let longestMessage = 65_535

    /// - Parameters:
    ///   - message: the request on the wire; with a signature it differs from the request's own bytes.
    /// - Throws: `DNSError`, or `CancellationError`.
    static func run(
        _ request: DNSRequest, _ message: [UInt8]? = nil, with server: DNSServer, over transport: Transport, within limit: Duration
    ) async throws -> (message: DNSMessage, bytes: [UInt8]) {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: [UInt8].self)
        let timeout = loop.scheduleTask(in: .nanoseconds(Int64(limit / .nanoseconds(1)))) {
            promise.fail(DNSError.noAnswer(server, after: limit))
        }
        let connected = connect(server, transport, loop, limit, request, promise)
        let bytes = message ?? request.bytes
        connected.whenComplete { result in
            switch result {
            case .failure(let error): promise.fail(failure(error, server, limit))
            case .success(let channel):
                promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
                send(bytes, channel, server, transport).whenFailure { promise.fail(failure($0, server, limit)) }
            }
        }
        promise.futureResult.whenComplete { _ in timeout.cancel() }
        let answer = try await withTaskCancellationHandler {
            try await promise.futureResult.get()
        } onCancel: {
            promise.fail(CancellationError())
        }
        guard let message = DNSMessage(answer) else { throw DNSError.unreadable(server) }
        return (message, answer)
    }

    private static func connect(
        _ server: DNSServer, _ transport: Transport, _ loop: any EventLoop, _ limit: Duration, _ request: DNSRequest,
        _ promise: EventLoopPromise<[UInt8]>
    ) -> EventLoopFuture<any Channel> {
        let address: SocketAddress
        do { address = try SocketAddress(ipAddress: server.address.text, port: server.port) } catch { return loop.makeFailedFuture(error) }
        switch transport {
        case .datagram:
            return DatagramBootstrap(group: loop)
                .channelOption(ChannelOptions.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4096))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(DatagramAnswer(request, server, mostStrays, promise))
                    }
                }.connect(to: address)
        case .stream:
            return ClientBootstrap(group: loop)
                .connectTimeout(.nanoseconds(Int64(limit / .nanoseconds(1))))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(StreamAnswer(request, server, promise))
                    }
                }.connect(to: address)
        }
    }

    private static func send(
        _ bytes: [UInt8], _ channel: any Channel, _ server: DNSServer, _ transport: Transport
    ) -> EventLoopFuture<Void> {
        guard let length = UInt16(exactly: bytes.count) else { return channel.eventLoop.makeFailedFuture(DNSError.outOfMemory) }
        switch transport {
        case .datagram:
            guard let address = channel.remoteAddress else {
                return channel.eventLoop.makeFailedFuture(DNSError.unreachable(server, reason: "the socket is closed"))
            }
            return channel.writeAndFlush(AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: bytes)))
        case .stream:
            return channel.writeAndFlush(ByteBuffer(bytes: length.bytes + bytes))
        }
    }

    fileprivate static func failure(_ error: any Error, _ server: DNSServer, _ limit: Duration) -> any Error {
        if error is DNSError || error is CancellationError { return error }
        if let error = error as? ChannelError, case .connectTimeout = error { return DNSError.noAnswer(server, after: limit) }
        if let error = error as? NIOConnectionError, let first = error.connectionErrors.first { return failure(first.error, server, limit) }
        guard let code = (error as? IOError)?.errnoCode else { return DNSError.unreachable(server, reason: "\(error)") }
        let isLocal = [ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EAFNOSUPPORT].contains(code)
        return DNSError.unreachable(server, reason: String(cString: strerror(code)).lowercased(), isLocal: isLocal)
    }
}

/// Takes the first datagram that answers the request.
private final class DatagramAnswer: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let request: DNSRequest
    private let server: DNSServer
    private let promise: EventLoopPromise<[UInt8]>
    private var strays: Int

    init(_ request: DNSRequest, _ server: DNSServer, _ strays: Int, _ promise: EventLoopPromise<[UInt8]>) {
        (self.request, self.server, self.strays, self.promise) = (request, server, strays, promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).data.readableBytesView)
        if let message = DNSMessage(bytes), message.answers(request) { return promise.succeed(bytes) }
        strays -= 1
        if strays <= 0 { promise.fail(DNSError.unreadable(server)) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(DNSExchange.failure(error, server, .zero))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(DNSError.unreachable(server, reason: "the socket was closed"))
    }
}

/// Takes the one message of a stream. Its length is in front of it, so no more than that is kept.
private final class StreamAnswer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let request: DNSRequest
    private let server: DNSServer
    private let promise: EventLoopPromise<[UInt8]>
    private var received: [UInt8] = []

    init(_ request: DNSRequest, _ server: DNSServer, _ promise: EventLoopPromise<[UInt8]>) {
        (self.request, self.server, self.promise) = (request, server, promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += unwrapInboundIn(data).readableBytesView
        guard received.count >= 2 else { return }
        let length = Int(received[0]) << 8 | Int(received[1])
        guard received.count >= 2 + length else { return }
        let bytes = Array(received[2..<(2 + length)])
        if let message = DNSMessage(bytes), message.answers(request) {
            promise.succeed(bytes)
        } else {
            promise.fail(DNSError.unreadable(server))
        }
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(DNSExchange.failure(error, server, .zero))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(DNSError.unreachable(server, reason: "it closed the connection without an answer"))
    }
}
