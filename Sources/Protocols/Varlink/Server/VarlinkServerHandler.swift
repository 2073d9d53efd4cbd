import NIOCore
import StrictJSON

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The server's end of one connection: a channel handler for the end of the pipeline, confined to its event loop.
///
/// ``VarlinkServer`` adds one to each connection; whoever has a listener of another kind adds it to the pipeline.
/// Allow remote half closure on the channel, so that a client that ends its side (`nc -N`) still gets its replies.
///
/// Replies of one round of the loop go out in one write. No write has a promise, but the last one before a close.
public final class VarlinkServerHandler: ChannelDuplexHandler {
    public typealias InboundIn = ByteBuffer
    public typealias InboundOut = Never
    public typealias OutboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer

    /// Output is handed to the channel when it reaches this size, in bytes, and not only at the end of the round.
    static let flushThreshold = 64 * 1024
    /// Room kept for output between rounds, in bytes.
    static let keptOutputCapacity = 4096

    enum Answer {
        case empty
        case bytes([UInt8])
        case error(name: String, parameters: ArraySlice<UInt8>)
    }

    /// Fixed at the handler's creation; the channel has the same.
    let eventLoop: any EventLoop
    private let directory: VarlinkServiceDirectory
    private let limits: VarlinkServerLimits
    private let handle: (VarlinkCall, VarlinkReplier) -> Void
    private let opened: () -> Void
    private let closed: (VarlinkCloseReason) -> Void

    private var context: ChannelHandlerContext?
    private var state: VarlinkServerState
    private var output = ByteBuffer()
    private var cancellation: (() -> Void)?
    private var writability: (() -> Void)?
    private var deadlines: VarlinkServerDeadlines
    private var closeReason: VarlinkCloseReason?
    private var isRunning = false
    /// Whoever is running now flushes at the end.
    private var flushFollows = false
    private var isRoundScheduled = false
    /// There are calls at hand, and other connections go first: until then nothing more is read.
    private var isTurnAwaited = false
    private var isReadHeldBack = false

    /// - Parameters:
    ///   - service: Answers the calls.
    ///   - peer: Whom this connection belongs to.
    ///   - directory: Made of the service once, shared by all its connections.
    public init<Service: VarlinkService>(
        service: Service, peer: Service.Peer, directory: VarlinkServiceDirectory, eventLoop: any EventLoop,
        limits: VarlinkServerLimits = VarlinkServerLimits()
    ) {
        self.eventLoop = eventLoop
        self.directory = directory
        self.limits = limits
        self.state = VarlinkServerState(limits: limits)
        self.deadlines = VarlinkServerDeadlines(limits: limits)
        self.handle = { call, reply in service.handle(call, peer: peer, reply: reply) }
        self.opened = { service.connectionOpened(peer: peer) }
        self.closed = { reason in service.connectionClosed(peer: peer, reason: reason) }
    }

    // MARK: The channel's events

    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin() }
    }

    public func handlerRemoved(context: ChannelHandlerContext) { end(.shutdown) }

    public func channelActive(context: ChannelHandlerContext) { begin() }

    public func channelInactive(context: ChannelHandlerContext) {
        let isFinished = state.isIdle
        end(isFinished ? .endOfStream : .peerGone)
    }

    private func begin() {
        guard !deadlines.isStarted else { return }
        opened()
        // Not weak: an object that a weak reference has once been made to is counted at twice the cost ever after. `end` breaks the cycle.
        deadlines.start(eventLoop) { self.checkDeadlines() }
    }

    private func end(_ reason: VarlinkCloseReason) {
        guard context != nil else { return }
        context = nil
        state.close()
        deadlines.stop()
        output = ByteBuffer()
        writability = nil
        let cancel = cancellation
        cancellation = nil
        cancel?()
        // Without a beginning (the socket was gone before the channel was active) there is no end.
        if deadlines.isStarted { closed(closeReason ?? reason) }
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        flushFollows = true
        let buffer = unwrapInboundIn(data)
        state.received(buffer.readableBytesView)
        deadlines.sawActivity(eventLoop)
        run()
    }

    public func channelReadComplete(context: ChannelHandlerContext) {
        flushFollows = false
        flush()
    }

    /// Asked by the channel before each read; held back while the client is ahead of the service or behind in its reading.
    public func read(context: ChannelHandlerContext) {
        if state.wantsToRead, !isTurnAwaited {
            context.read()
        } else {
            isReadHeldBack = true
        }
    }

    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        state.isWritable = context.channel.isWritable
        updateDeadline()
        // Not now: the channel may say so in the middle of a write of this handler's, and that in the middle of the service's.
        if state.isWritable { scheduleRound() }
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            state.inputEnded = true
            run()
        case is ChannelShouldQuiesceEvent:
            quiesce()
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        closeNow(VarlinkServerHandler.isPeersEnd(error) ? .peerGone : .failed(error))
    }

    /// A client that closes with replies unread, or while it is written to, ends the connection by an error and not by its end.
    private static func isPeersEnd(_ error: any Error) -> Bool {
        guard let code = (error as? IOError)?.errnoCode else { return false }
        return code == ECONNRESET || code == EPIPE
    }

    /// Begins no further call, lets the one at hand be answered, then closes.
    func quiesce() {
        state.isQuiescing = true
        run()
    }

    // MARK: Calls

    private func run() {
        guard !isRunning, context != nil else { return }
        isRunning = true
        var left = limits.callsInARow
        let end = NIODeadline.now() + limits.turn
        loop: while true {
            // The first needs no look at the clock.
            guard left > 0, left == limits.callsInARow || NIODeadline.now() < end else {
                takeTurn()
                break
            }
            left -= 1
            switch directory.withDocument({ state.next(readingInto: &$0) }) {
            case .wait: break loop
            case .dispatch(let call): dispatch(call)
            case .refuse(let error): write(.error(name: error.name, parameters: error.parameters.source))
            case .close(let reason):
                closeWhenWritten(reason)
                break loop
            }
        }
        isRunning = false
        updateDeadline()
        if isReadHeldBack, state.wantsToRead, !isTurnAwaited {
            isReadHeldBack = false
            context?.read()
        }
    }

    private func dispatch(_ call: VarlinkCall) {
        guard let number = state.current else { return }
        switch directory.route(call) {
        case .service: handle(call, VarlinkReplier(connection: self, call: number))
        case .reply(let parameters): finish(number, with: .bytes(parameters))
        case .refuse(let error): finish(number, with: .error(name: error.name, parameters: error.parameters.source))
        }
    }

    /// Once more, when whoever is running now has come to an end: what has been asked meanwhile is begun, and what has been answered goes
    /// out in one write.
    private func scheduleRound() {
        guard !isRoundScheduled else { return }
        isRoundScheduled = true
        directory.scheduleRound(of: self)
    }

    func together(_ body: () -> Void) { directory.together(body) }

    /// As `scheduleRound`, but behind what the sockets bring meanwhile.
    private func takeTurn() {
        guard !isRoundScheduled else { return }
        isRoundScheduled = true
        isTurnAwaited = true
        directory.takeTurn(on: eventLoop) { self.runRound() }
    }

    func runRound() {
        isRoundScheduled = false
        isTurnAwaited = false
        flushFollows = true
        if state.isWritable, let goOn = writability {
            writability = nil
            goOn()
        }
        run()
        flushFollows = false
        flush()
    }

    func isOpen(_ call: UInt64) -> Bool { state.current == call }

    func isWritable(_ call: UInt64) -> Bool { state.current == call && state.isWritable }

    func finish(_ call: UInt64, with answer: Answer) {
        let isOneway = state.currentIsOneway
        guard state.finish(call) else { return }
        cancellation = nil
        writability = nil
        if !isOneway { write(answer) }
        deadlines.sawActivity(eventLoop)
        // The next call is not begun from within the answer to this one: the service may be in the middle of something.
        if !isRunning { scheduleRound() }
    }

    func proceed(_ call: UInt64, with parameters: [UInt8]) -> Bool {
        guard state.current == call else { return false }
        if state.currentIsOneway { return true }
        guard state.currentWantsMore else {
            let error = VarlinkError.expectedMore
            finish(call, with: .error(name: error.name, parameters: error.parameters.source))
            return false
        }
        VarlinkMessageEncoder.writeReply(parameters, continues: true, to: &output)
        flushSoon()
        return state.current == call
    }

    func setCancellation(_ call: UInt64, _ closure: @escaping () -> Void) {
        guard state.current == call else { return }
        cancellation = closure
    }

    func setWritability(_ call: UInt64, _ closure: @escaping () -> Void) {
        guard state.current == call else { return }
        writability = closure
        // A stream whose client reads as fast as it is written to must not keep the loop for itself.
        if state.isWritable { takeTurn() }
    }

    func withParameters<Result>(_ members: (inout JSONWriter) -> Void, _ body: ([UInt8]) -> Result) -> Result {
        directory.withWriter(members, body)
    }

    // MARK: Output

    private func write(_ answer: Answer) {
        switch answer {
        case .empty: VarlinkMessageEncoder.writeEmptyReply(to: &output)
        case .bytes(let parameters): VarlinkMessageEncoder.writeReply(parameters, continues: false, to: &output)
        case .error(let name, let parameters): VarlinkMessageEncoder.writeError(name, parameters, to: &output)
        }
        flushSoon()
    }

    private func flushSoon() {
        if output.readableBytes >= VarlinkServerHandler.flushThreshold { return flush() }
        if !flushFollows { scheduleRound() }
    }

    private func flush(promise: EventLoopPromise<Void>? = nil) {
        guard let context, output.readableBytes > 0 || promise != nil else { return }
        context.writeAndFlush(wrapOutboundOut(output), promise: promise)
        if output.capacity <= VarlinkServerHandler.keptOutputCapacity {
            output.clear()
        } else {
            output = ByteBuffer()
        }
        // Asked for only when the channel says that it is full, since it takes a look-up.
        guard !context.channel.isWritable, let options = context.channel.syncOptions,
            let pending = try? options.getOption(.bufferedWritableBytes), pending > limits.pendingOutputBytes
        else { return }
        closeNow(.outputOverflow)
    }

    private func closeWhenWritten(_ reason: VarlinkCloseReason) {
        closeReason = closeReason ?? reason
        let written = eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in
            self.context?.close(promise: nil)
        }
        flush(promise: written)
    }

    private func closeNow(_ reason: VarlinkCloseReason) {
        closeReason = closeReason ?? reason
        state.close()
        context?.close(promise: nil)
    }

    // MARK: Deadlines

    private func updateDeadline() {
        guard context != nil else { return }
        if closeReason != nil || !state.isWritable {
            deadlines.expect(.reading, eventLoop)
        } else if state.awaitsRestOfMessage {
            deadlines.expect(.restOfMessage(state.messages), eventLoop)
        } else {
            deadlines.expect(nil, eventLoop)
        }
    }

    private func checkDeadlines() {
        switch deadlines.expired(eventLoop, isIdle: state.isIdle && output.readableBytes == 0) {
        case .reading: closeNow(.stalledReader)
        case .restOfMessage: closeNow(.stalledWriter)
        case .call: closeNow(.idle)
        case nil: break
        }
    }
}
