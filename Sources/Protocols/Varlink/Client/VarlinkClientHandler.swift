import NIOCore

/// The client's end of one connection, confined to its event loop.
final class VarlinkClientHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Buffer capacity kept for output between rounds, in bytes.
    static let keptOutputCapacity = 4096

    /// Where replies are delivered.
    enum Receiver {
        case single((Result<VarlinkReply, any Error>) -> Void, timer: Scheduled<Void>?)
        case stream(VarlinkReplies.Source)
    }

    private let eventLoop: any EventLoop
    private var context: ChannelHandlerContext?
    private var state: VarlinkClientState<Receiver>
    private var output = ByteBuffer()
    private var isFlushScheduled = false
    private var isReadHeldBack = false
    private var isRunning = false
    private var failure: VarlinkConnectionError?

    init(eventLoop: any EventLoop, limits: VarlinkClientLimits) {
        self.eventLoop = eventLoop
        self.state = VarlinkClientState(limits: limits)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { end(.closed) }

    func channelInactive(context: ChannelHandlerContext) { end(.closed) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        state.received(unwrapInboundIn(data).readableBytesView)
        run()
    }

    func read(context: ChannelHandlerContext) {
        if state.isHeldBack { isReadHeldBack = true } else { context.read() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    // MARK: Calls

    /// Sends a call; `receiver` gets its replies, or the error that ended them.
    func send(_ id: UInt64, _ method: String, _ parameters: [UInt8], more: Bool, _ receiver: Receiver) {
        guard context != nil, failure == nil else { return VarlinkClientHandler.fail(receiver, failure ?? .closed) }
        VarlinkMessageEncoder.writeCall(method, parameters: parameters, oneway: false, more: more, to: &output)
        state.sent(id, wantsMore: more, receiver)
        flushSoon()
    }

    /// Sends a call that has no reply.
    func sendOneway(_ method: String, _ parameters: [UInt8], _ written: EventLoopPromise<Void>) {
        guard let context, failure == nil else { return written.fail(failure ?? .closed) }
        VarlinkMessageEncoder.writeCall(method, parameters: parameters, oneway: true, more: false, to: &output)
        context.writeAndFlush(wrapOutboundOut(output), promise: written)
        forgetOutput()
    }

    /// Gives up waiting for a call.
    func abandon(_ id: UInt64, because error: any Error) {
        guard let receiver = state.abandon(id) else { return }
        VarlinkClientHandler.fail(receiver, error)
    }

    /// The reader of a stream has left. A call with more replies to come can only be ended by closing its connection.
    func abandonStream(_ id: UInt64) {
        guard state.abandon(id) != nil else { return }
        close(.closed)
    }

    /// The reader of a stream wants more.
    func resume() {
        state.isHeldBack = false
        run()
    }

    private func run() {
        guard !isRunning else { return }
        isRunning = true
        loop: while true {
            switch state.next() {
            case .wait: break loop
            case .finish(.single(let completion, let timer), let result):
                timer?.cancel()
                completion(result)
            case .finish(.stream(let source), .success(let reply)):
                _ = source.yield(reply)
                source.finish()
            case .finish(.stream(let source), .failure(let error)): source.finish(error)
            case .proceed(.stream(let source), let reply):
                if case .stopProducing = source.yield(reply) { state.isHeldBack = true }
            case .finish(nil, _), .proceed: continue
            case .fail(let error):
                close(error)
                break loop
            }
        }
        isRunning = false
        if context == nil { abandonUnlessHeldBack() }
        if isReadHeldBack, !state.isHeldBack {
            isReadHeldBack = false
            context?.read()
        }
    }

    private func flushSoon() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            guard let context = self.context, self.output.readableBytes > 0 else { return }
            context.writeAndFlush(self.wrapOutboundOut(self.output), promise: nil)
            self.forgetOutput()
        }
    }

    private func forgetOutput() {
        if output.capacity <= VarlinkClientHandler.keptOutputCapacity { output.clear() } else { output = ByteBuffer() }
    }

    /// The server broke the protocol, or a stream was left; anything else it sent is useless.
    private func close(_ error: VarlinkConnectionError) {
        state.isHeldBack = false
        let context = context
        end(error)
        context?.close(promise: nil)
    }

    private func end(_ error: VarlinkConnectionError) {
        guard context != nil else { return }
        context = nil
        failure = failure ?? error
        output = ByteBuffer()
        abandonUnlessHeldBack()
    }

    /// Replies that arrived before the end, but that a slow reader has not asked for yet, are still delivered.
    private func abandonUnlessHeldBack() {
        guard !state.isHeldBack else { return }
        for receiver in state.abandonAll() { VarlinkClientHandler.fail(receiver, failure ?? .closed) }
    }

    private static func fail(_ receiver: Receiver, _ error: any Error) {
        switch receiver {
        case .single(let completion, let timer):
            timer?.cancel()
            completion(.failure(error))
        case .stream(let source): source.finish(error)
        }
    }
}
