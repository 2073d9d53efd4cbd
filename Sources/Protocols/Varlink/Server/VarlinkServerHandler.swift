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
/// ``VarlinkServer`` adds one to each connection; with another kind of listener, add it to the pipeline yourself. Allow
/// remote half-closure on the channel, so that a client that closes its side (`nc -N`) still gets its replies.
///
/// The replies of one round of the loop are sent in one write. Only the last write before a close has a promise.
public final class VarlinkServerHandler: ChannelDuplexHandler {
    public typealias InboundIn = ByteBuffer
    public typealias InboundOut = Never
    public typealias OutboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer

    /// Nanoseconds that kernel and channel take for a read: a client that sends single bytes is charged for each.
    static let receiveTime: UInt64 = 3_000

    /// Fixed at the handler's creation; same as the channel's.
    let eventLoop: any EventLoop
    private let core: VarlinkServerCore
    private let limits: VarlinkServerLimits
    private let service: ServiceBinding
    private let schedule: ServerSchedule
    private let account: ServerSchedule.Account
    private var context: ChannelHandlerContext?
    private var state: VarlinkServerState
    private var output = ReplyBuffer()
    /// What the user's account holds for this connection.
    private var chargedInput = 0, chargedOutput = 0
    /// Answers the long call that was parsed elsewhere.
    private var handleLong: ServiceBinding.Handler?
    private var cancellation: (() -> Void)?
    private var writability: (() -> Void)?
    private var deadlines: VarlinkServerDeadlines
    private var closeReason: VarlinkCloseReason?
    private var isRunning = false
    /// The code running now flushes at its end.
    private var flushFollows = false
    private var isRoundScheduled = false
    /// There are calls, but other connections go first; nothing more is read until then.
    private var isTurnAwaited = false
    private var isReadHeldBack = false
    private var isInputEnding = false
    /// Whether it waits for room in the user's share of memory.
    private var isStalled = false
    /// During a write, in which the channel reports changes of its writability.
    private var isWriting = false
    private var times = CallTimes()
    /// When bytes were last read, and when those of the latest call were: nanoseconds of `NIODeadline`'s clock.
    private var lastRead: UInt64 = 0
    private(set) var callRead: UInt64 = 0

    /// - Parameters:
    ///   - service: Answers the calls.
    ///   - peer: The connection's peer.
    ///   - core: Made once from the service, shared by all its connections.
    ///   - eventLoop: The channel's.
    ///   - limits: What the connection may cost.
    public init<Service: VarlinkService>(
        service: Service, peer: Service.Peer, core: VarlinkServerCore, eventLoop: any EventLoop,
        limits: VarlinkServerLimits = VarlinkServerLimits()
    ) {
        self.eventLoop = eventLoop
        self.core = core
        self.limits = limits
        self.schedule = core.schedule
        self.service = ServiceBinding(service, peer: peer, thread: core.thread, limits: limits)
        self.account = core.schedule.account(of: self.service.user)
        self.state = VarlinkServerState(limits: limits, readsLongMessages: core.thread != nil)
        self.deadlines = VarlinkServerDeadlines(limits: limits)
    }

    // MARK: The channel's events

    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        schedule.opened(account)
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
        service.opened()
        // Not weak: a weak reference would double the cost of counting references. `end` breaks the cycle.
        deadlines.start(eventLoop) { self.checkDeadlines() }
    }

    private func end(_ reason: VarlinkCloseReason) {
        guard context != nil else { return }
        context = nil
        state.close()
        deadlines.stop()
        output.removeAll()
        writability = nil
        handleLong = nil
        settle()
        schedule.messageEnded(self, of: account)
        schedule.closed(account)
        let cancel = cancellation
        cancellation = nil
        cancel?()
        // Without a start (the socket was gone before the channel became active) there is no end.
        if deadlines.isStarted { service.closed(closeReason ?? reason) }
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        flushFollows = true
        let buffer = unwrapInboundIn(data)
        buffer.withUnsafeReadableBytes { state.received($0) }
        deadlines.sawActivity(eventLoop)
        lastRead = ServerSchedule.now()
        if core.latency != nil { times.read(at: lastRead) }
        run(isTurn: false, at: lastRead, extra: VarlinkServerHandler.receiveTime)
    }

    public func channelReadComplete(context: ChannelHandlerContext) {
        flushFollows = false
        flush()
    }

    /// Called by the channel before each read. Reading is held back while the client is ahead of the service or does
    /// not read its replies, while it is others' turn, and while there is no room.
    public func read(context: ChannelHandlerContext) {
        isReadHeldBack = true
        resumeReading()
    }

    private func resumeReading() {
        guard isReadHeldBack, state.wantsToRead, !isTurnAwaited, let context else { return }
        guard schedule.mayReceive(self, of: account) else { return stall() }
        isReadHeldBack = false
        context.read()
    }

    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        // The effects of this handler's own write are checked after it.
        if !isWriting { noteWritability(context) }
    }

    private func noteWritability(_ context: ChannelHandlerContext) {
        let isWritable = context.channel.isWritable
        guard isWritable != state.isWritable else { return }
        state.isWritable = isWritable
        if isWritable {
            output.allSent()
            // Not now: the channel may report this in the middle of the service's code.
            scheduleRound()
        }
        settle()
        updateDeadline()
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            state.inputEnded = true
            run(isTurn: false)
        case is ChannelShouldQuiesceEvent:
            quiesce()
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        closeNow(VarlinkServerHandler.isPeersEnd(error) ? .peerGone : .failed(error))
    }

    /// A client that closes with unread replies, or during a write, causes an error instead of end of file.
    private static func isPeersEnd(_ error: any Error) -> Bool {
        guard let code = (error as? IOError)?.errnoCode else { return false }
        return code == ECONNRESET || code == EPIPE
    }

    /// Answers the calls that the client has sent, then closes: a client that is sending one learns for certain whether
    /// it arrived, since either it is answered or the sending fails.
    ///
    /// For a moment, a client that has connected may send its first call, and one that waits for an answer its next one:
    /// a client whose sending fails may close, without reading that answer.
    func quiesce() {
        guard !state.isQuiescing else { return }
        state.isQuiescing = true
        guard !endInputIfIdle() else { return }
        _ = eventLoop.assumeIsolated().scheduleTask(in: limits.firstCallWhileStopping) { self.endInput() }
    }

    /// Ends the input of a stopping connection that has had calls and has none now.
    @discardableResult private func endInputIfIdle() -> Bool {
        guard state.isQuiescing, state.messages > 0, state.isIdle else { return false }
        endInput()
        return true
    }

    /// Lets the client send no more (shutdown(2)). What it has sent can still be read, and then the channel reports the end
    /// of the input.
    private func endInput() {
        guard let context, !isInputEnding else { return }
        isInputEnding = true
        let ended = try? context.channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            shutdown($0, CInt(SHUT_RD)) == 0
        }
        guard (ended ?? nil) != true else { return }
        // No socket, or one that its client has closed.
        state.inputEnded = true
        run(isTurn: true)
    }

    // MARK: Calls

    /// Starts the received calls, as many as the user's turn allows.
    /// - Parameters:
    ///   - moment: The present time, if the caller has looked at the clock.
    ///   - extra: Additional nanoseconds charged to the turn.
    private func run(isTurn: Bool, at moment: UInt64? = nil, extra: UInt64 = 0) {
        guard !isRunning, context != nil else { return }
        if state.hasNext, !isTurnAwaited {
            let began = moment ?? ServerSchedule.now()
            let left = schedule.left(for: account, now: began, isTurn: isTurn)
            if left == 0 {
                takeTurn()
            } else if !schedule.mayAnswer(account) {
                stall()
            } else {
                isRunning = true
                let now = runCalls(from: began, until: began &+ min(left, UInt64(max(1, limits.turn.nanoseconds))))
                isRunning = false
                schedule.charge(account, from: began, to: now, extra: extra)
            }
        }
        settle()
        updateDeadline()
        if state.isQuiescing { endInputIfIdle() }
        resumeReading()
    }

    /// - Returns: The time of its end.
    private func runCalls(from began: UInt64, until end: UInt64) -> UInt64 {
        var left = limits.callsInARow
        while true {
            switch core.memory.withDocument({ state.next(readingInto: &$0) }) {
            case .wait: return ServerSchedule.now()
            case .dispatch(let call): dispatch(call)
            case .read(let message):
                callRead = lastRead
                service.read(self, message)
            case .refuse(let error): write(.error(name: error.name, parameters: error.parameters.source))
            case .skip: break
            case .close(let reason):
                closeWhenWritten(reason)
                return ServerSchedule.now()
            }
            // A long message counts until its call is answered.
            if state.longMessage == 0 { schedule.messageEnded(self, of: account) }
            left -= 1
            // Most connections have one call, which needs no second look at the clock.
            guard state.hasNext else {
                state.releaseIfEmpty()
                return ServerSchedule.now()
            }
            let now = ServerSchedule.now()
            guard left > 0, now < end else {
                takeTurn()
                return now
            }
        }
    }

    /// A long message has been parsed.
    /// - Parameter handler: Answers the call.
    func took(_ result: Result<VarlinkCall, VarlinkCallFault>, _ handler: ServiceBinding.Handler?) {
        guard context != nil else { return }
        handleLong = handler
        state.take(result)
        scheduleRound()
    }

    private func dispatch(_ call: VarlinkCall) {
        guard let number = state.current else { return }
        // A long call's bytes were read before it was parsed elsewhere; more may have come since.
        if handleLong == nil { callRead = lastRead }
        if core.latency != nil { times.begin() }
        switch core.router.route(call) {
        case .service:
            let reply = VarlinkReplier(connection: self, call: number)
            if let handleLong {
                self.handleLong = nil
                handleLong(call, reply)
            } else {
                service.handle(call, reply)
            }
        case .reply(let parameters): finish(number, with: .bytes(parameters))
        case .refuse(let error): finish(number, with: .error(name: error.name, parameters: error.parameters.source))
        }
    }

    /// Schedules another round, after the code running now: new calls are started, and answers are sent in one write.
    private func scheduleRound() {
        guard !isRoundScheduled else { return }
        isRoundScheduled = true
        core.rounds.schedule(self)
    }

    func together(_ body: () -> Void) { core.rounds.together(body) }

    /// Like `scheduleRound`, but in the user's turn, and after what the sockets bring meanwhile.
    private func takeTurn() {
        guard !isTurnAwaited else { return }
        isTurnAwaited = true
        schedule.wait(self, of: account)
    }

    /// Waits until there is room.
    private func stall() {
        guard !isStalled, context != nil else { return }
        isStalled = true
        schedule.stall(self, of: account)
    }

    /// Whether a message has started and is incomplete.
    var hasBegunMessage: Bool { state.awaitsRestOfMessage }

    /// Continues what was held back: there may be room now.
    /// - Returns: `false` if the connection has ended.
    func roomMade() -> Bool {
        isStalled = false
        guard context != nil else { return false }
        scheduleRound()
        return true
    }

    func runRound(isTurn: Bool) {
        if isTurn { isTurnAwaited = false } else { isRoundScheduled = false }
        guard context != nil else { return }
        flushFollows = true
        goOnWriting(isTurn: isTurn)
        run(isTurn: isTurn)
        flushFollows = false
        flush()
    }

    /// Lets a streaming service continue, in its user's turn.
    private func goOnWriting(isTurn: Bool) {
        guard state.isWritable, !isTurnAwaited, writability != nil else { return }
        let began = ServerSchedule.now()
        guard schedule.left(for: account, now: began, isTurn: isTurn) > 0 else { return takeTurn() }
        guard schedule.mayAnswer(account) else { return stall() }
        let goOn = writability
        writability = nil
        goOn?()
        schedule.charge(account, from: began, to: ServerSchedule.now())
    }

    func isOpen(_ call: UInt64) -> Bool { state.current == call }

    func isWritable(_ call: UInt64) -> Bool { state.current == call && state.isWritable && schedule.mayAnswer(account) }

    func finish(_ call: UInt64, with answer: ReplyBuffer.Answer) {
        let isOneway = state.currentIsOneway
        let wasLong = state.longMessage > 0
        guard state.finish(call) else { return }
        if wasLong {
            settle()
            schedule.messageEnded(self, of: account)
        }
        cancellation = nil
        writability = nil
        if core.latency != nil { times.finish() }
        if !isOneway { write(answer) }
        deadlines.sawActivity(eventLoop)
        // The next call does not start within the answer to this one: the service may be in the middle of something.
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
        output.append(continuing: parameters)
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
        // A stream whose client reads as fast as it is written must not monopolise the loop.
        if state.isWritable { takeTurn() }
    }

    func withParameters<Result>(_ members: (inout JSONWriter) -> Void, _ body: ([UInt8]) -> Result) -> Result {
        core.memory.withWriter(members, body)
    }

    // MARK: Output

    private func write(_ answer: ReplyBuffer.Answer) {
        output.append(answer)
        flushSoon()
    }

    private func flushSoon() {
        if output.isFull { return flush() }
        if !flushFollows { scheduleRound() }
    }

    /// Passes pending output to the channel. One write at a time: while the client does not read, output is collected
    /// here, in one buffer instead of one per answer.
    private func flush(promise: EventLoopPromise<Void>? = nil) {
        guard let context, !output.isEmpty || promise != nil else { return }
        if state.isWritable || promise != nil {
            isWriting = true
            output.beginWrite()
            // The client then has the bytes. The write may take much longer: it wakes the client, which may run first.
            let moment = core.latency == nil ? 0 : ServerSchedule.now()
            context.writeAndFlush(wrapOutboundOut(output.bytes), promise: promise)
            output.endWrite()
            isWriting = false
            if let latency = core.latency { times.written(latency, at: moment, user: account.user) }
            // The peer has gone if the write failed.
            guard self.context != nil else { return }
            noteWritability(context)
        }
        settle()
        if !state.isWritable, output.pending > limits.pendingOutputBytes { closeNow(.outputOverflow) }
    }

    /// Updates the user's account with what the connection holds.
    private func settle() {
        let input = state.inputMemory
        let output = output.memory(isWritable: state.isWritable)
        guard input != chargedInput || output != chargedOutput else { return }
        schedule.change(account, input: input - chargedInput, output: output - chargedOutput)
        chargedInput = input
        chargedOutput = output
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
        switch deadlines.expired(eventLoop, isIdle: state.isIdle && output.isEmpty) {
        case .reading: closeNow(.stalledReader)
        case .restOfMessage: closeNow(.stalledWriter)
        case .call: closeNow(.idle)
        case nil: break
        }
    }
}
