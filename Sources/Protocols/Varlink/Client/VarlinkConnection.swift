import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A client's connection to a Varlink service. Any thread may use it, several at a time: calls are pipelined and
/// answered in order.
/// ```swift
/// let connection = try await VarlinkConnection.connect(to: address) { server, _ in
///     guard server.uid == 0 else { throw NotTheAgent() }
/// }
/// let reply = try await connection.call("org.varlink.service.GetInfo", timeout: .seconds(5))
/// print(try reply.parameters.string("vendor"))
/// ```
public final class VarlinkConnection: Sendable {
    /// Where the completions of ``call(_:parameters:timeout:completion:)`` are called.
    public var eventLoop: any EventLoop { channel.eventLoop }

    /// The server's credentials: those of the process that called `listen`, which with socket activation is the service
    /// manager.
    public let server: VarlinkPeerCredentials

    private let channel: any Channel
    private let handler: NIOLoopBound<VarlinkClientHandler>
    private let limits: VarlinkClientLimits
    private let lastCall = Atomic<UInt64>(0)

    private init(
        channel: any Channel, handler: NIOLoopBound<VarlinkClientHandler>, server: VarlinkPeerCredentials, limits: VarlinkClientLimits
    ) {
        self.channel = channel
        self.handler = handler
        self.server = server
        self.limits = limits
    }

    deinit { channel.close(promise: nil) }

    /// Connects, and checks the server's identity before anything is sent.
    /// - Parameters:
    ///   - address: The service's socket.
    ///   - group: One of its loops runs the connection.
    ///   - limits: What is accepted from the server.
    ///   - timeout: For connecting only. While the server's backlog is full (a non-blocking `connect` on a Unix socket
    ///     fails at once with EAGAIN), it is retried until then. If no one listens (ECONNREFUSED, ENOENT), it is not
    ///     retried.
    ///   - verify: Checks the server's credentials and, if those are not enough, the descriptor, which is valid only
    ///     during the call. If it throws, the error is rethrown and the connection closed.
    /// - Throws: `IOError` from the system, `ChannelError.connectTimeout`, ``VarlinkConnectionError/unknownPeer``,
    ///   ``VarlinkConnectionError/closed``, or what `verify` throws.
    public static func connect(
        to address: VarlinkAddress, on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        limits: VarlinkClientLimits = VarlinkClientLimits(), timeout: Duration = .seconds(10),
        verify: @escaping @Sendable (_ server: VarlinkPeerCredentials, _ descriptor: CInt) throws -> Void = { _, _ in }
    ) async throws -> VarlinkConnection {
        try await verified(connected(to: address, on: group, limits, within: timeout), limits, verify)
    }

    /// Uses a Unix socket that is already connected, for example by another process; checks the server's identity before
    /// anything is sent.
    /// - Parameters:
    ///   - descriptor: It is the connection's from now on, and is closed with it.
    ///   - group: One of its loops runs the connection.
    ///   - limits: What is accepted from the server.
    ///   - verify: Checks the server's credentials; if it throws, the error is rethrown and the connection closed.
    /// - Throws: as ``connect(to:on:limits:timeout:verify:)``.
    public static func connect(
        over descriptor: CInt, on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        limits: VarlinkClientLimits = VarlinkClientLimits(),
        verify: @escaping @Sendable (_ server: VarlinkPeerCredentials, _ descriptor: CInt) throws -> Void = { _, _ in }
    ) async throws -> VarlinkConnection {
        let channel = try await bootstrap(on: group, limits).withConnectedSocket(descriptor).get()
        return try await verified(channel, limits, verify)
    }

    private static func verified(
        _ channel: any Channel, _ limits: VarlinkClientLimits,
        _ verify: @escaping @Sendable (_ server: VarlinkPeerCredentials, _ descriptor: CInt) throws -> Void
    ) async throws -> VarlinkConnection {
        do {
            return try await channel.eventLoop.submit {
                // The server may have closed it already, and with it the descriptor.
                guard channel.isActive else { throw VarlinkConnectionError.closed }
                let pipeline = channel.pipeline.syncOperations
                let credentials = try pipeline.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { descriptor in
                    let credentials = VarlinkPeerCredentials(descriptor: descriptor)
                    if let credentials { try verify(credentials, descriptor) }
                    return credentials
                }
                guard let server = credentials ?? nil else { throw VarlinkConnectionError.unknownPeer }
                let handler = NIOLoopBound(try pipeline.handler(type: VarlinkClientHandler.self), eventLoop: channel.eventLoop)
                return VarlinkConnection(channel: channel, handler: handler, server: server, limits: limits)
            }.get()
        } catch {
            channel.close(promise: nil)
            throw error
        }
    }

    /// The first and the longest pause before a retry.
    private static let pauses = Duration.milliseconds(5)...Duration.milliseconds(100)

    private static func connected(
        to address: VarlinkAddress, on group: any EventLoopGroup, _ limits: VarlinkClientLimits, within timeout: Duration
    ) async throws -> any Channel {
        let clock = ContinuousClock(), end = clock.now + timeout
        var pause = pauses.lowerBound
        while true {
            do {
                return try await bootstrap(on: group, limits)
                    .connectTimeout(TimeAmount(clock.now.duration(to: end)))
                    .connect(unixDomainSocketPath: address.path).get()
            } catch let error as IOError where error.errnoCode == EAGAIN {
                guard clock.now + pause < end else { throw ChannelError.connectTimeout(TimeAmount(timeout)) }
                try await Task.sleep(for: pause)
                pause = min(pause * 2, pauses.upperBound)
            }
        }
    }

    private static func bootstrap(on group: any EventLoopGroup, _ limits: VarlinkClientLimits) -> ClientBootstrap {
        ClientBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let handler = VarlinkClientHandler(eventLoop: channel.eventLoop, limits: limits)
                try channel.pipeline.syncOperations.addHandler(handler)
            }
        }
    }

    /// Whether calls can still be made.
    public var isOpen: Bool { channel.isActive }

    /// Calls a method and waits for its reply.
    ///
    /// When the task is cancelled or the timeout expires, this stops waiting. The server still carries out the call,
    /// and the connection stays usable.
    /// - Parameters:
    ///   - method: The method's full name.
    ///   - parameters: A JSON object; empty for `{}`.
    ///   - timeout: How long to wait; `nil` for as long as it takes.
    /// - Throws: ``VarlinkError`` if the service answers with an error, ``VarlinkConnectionError``,
    ///   `CancellationError`.
    public func call(_ method: String, parameters: [UInt8] = [], timeout: Duration? = nil) async throws -> VarlinkReply {
        try VarlinkConnection.check(method)
        let id = nextCall()
        let isCancelled = CancellationMark()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                send(id, method, parameters, timeout, isCancelled) { continuation.resume(with: $0) }
            }
        } onCancel: { [handler] in
            // Mark it, since this may reach the loop before the call does.
            isCancelled.set()
            handler.eventLoop.execute { handler.value.abandon(id, because: CancellationError()) }
        }
    }

    /// Calls a method; the completion is called on ``eventLoop``, with the errors of ``call(_:parameters:timeout:)``.
    public func call(
        _ method: String, parameters: [UInt8] = [], timeout: Duration? = nil,
        completion: @escaping @Sendable (Result<VarlinkReply, any Error>) -> Void
    ) {
        do { try VarlinkConnection.check(method) } catch {
            return eventLoop.execute { completion(.failure(error)) }
        }
        send(nextCall(), method, parameters, timeout, nil, completion)
    }

    /// Calls a method that returns several replies.
    public func callMore(_ method: String, parameters: [UInt8] = []) throws -> VarlinkReplies {
        try VarlinkConnection.check(method)
        let id = nextCall()
        let made = VarlinkReplies.Sequence.makeSequence(
            elementType: VarlinkReply.self, failureType: (any Error).self,
            backPressureStrategy: .init(lowWatermark: limits.bufferedReplies.lowerBound, highWatermark: limits.bufferedReplies.upperBound),
            finishOnDeinit: true, delegate: VarlinkReplies.Demand(handler: handler, call: id))
        let source = made.source
        eventLoop.execute { [handler] in handler.value.send(id, method, parameters, more: true, .stream(source)) }
        return VarlinkReplies(made.sequence, connection: self)
    }

    /// Calls a method without a reply; returns when the call has been handed to the kernel.
    public func callOneway(_ method: String, parameters: [UInt8] = []) async throws {
        try VarlinkConnection.check(method)
        let written = eventLoop.makePromise(of: Void.self)
        eventLoop.execute { [handler] in handler.value.sendOneway(method, parameters, written) }
        do { try await written.futureResult.get() } catch is ChannelError { throw VarlinkConnectionError.closed }
    }

    /// Closes the connection; waiting calls throw ``VarlinkConnectionError/closed``.
    public func close() async {
        channel.close(promise: nil)
        try? await channel.closeFuture.get()
    }

    private func nextCall() -> UInt64 { lastCall.wrappingAdd(1, ordering: .relaxed).newValue }

    private static func check(_ method: String) throws {
        guard VarlinkMethodName(method) != nil else { throw VarlinkConnectionError.invalidMethodName(method) }
    }

    private func send(
        _ id: UInt64, _ method: String, _ parameters: [UInt8], _ timeout: Duration?, _ isCancelled: CancellationMark?,
        _ completion: @escaping @Sendable (Result<VarlinkReply, any Error>) -> Void
    ) {
        eventLoop.execute { [handler] in
            if let isCancelled, isCancelled.isSet { return completion(.failure(CancellationError())) }
            let timer = timeout.map { timeout in
                handler.eventLoop.scheduleTask(in: TimeAmount(timeout)) {
                    handler.value.abandon(id, because: VarlinkConnectionError.timedOut)
                }
            }
            handler.value.send(id, method, parameters, more: false, .single(completion, timer: timer))
        }
    }
}
