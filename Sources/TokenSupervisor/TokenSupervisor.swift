import JOSE
import Logging
import NIOCore
import NIOPosix
import TokenProtocol

/// The daemon's end of one token: starts the helper, gives it work, starts it again when it dies or hangs.
///
/// Confined to one event loop; the links to the helper are channels of that loop, so that a signature passes no other thread of the daemon.
/// A signature that was in hand when a helper died is asked for once more; nothing is answered twice or not at all.
public final class TokenSupervisor {
    /// Called on the event loop whenever `state` has changed.
    public var onStateChange: ((TokenState) -> Void)?

    public private(set) var state = TokenState.starting {
        didSet { onStateChange?(state) }
    }

    public var statistics: TokenStatistics {
        TokenStatistics(restarts: restarts, queued: scheduler.queued, inFlight: scheduler.inFlight, signatures: signatures)
    }

    private struct ControlCall {
        let deadline: NIODeadline
        var keys: [TokenKey] = []
        let completion: (Result<HelperReply, TokenFailure>) -> Void
    }

    private let configuration: TokenConfiguration
    private let launcher: any HelperLauncher
    private let eventLoop: any EventLoop
    private let limits: SupervisorLimits
    private let logger: Logger

    private var scheduler = LinkScheduler()
    private var helper: LaunchedHelper?
    /// Counts helpers; what a former one still sends is not looked at.
    private var generation = 0
    private var control: LinkHandler?
    private var links: [LinkHandler] = []
    private var controlCalls: [UInt32: ControlCall] = [:]
    private var nextControlID: UInt32 = 1
    private var isFlushScheduled = false
    private var isTimerRunning = false
    private var restarts = 0
    private var signatures: UInt64 = 0
    private var pause: TimeAmount
    private var started = NIODeadline.now()
    private var isReady = false
    private var first: EventLoopPromise<Void>?

    /// - Parameter helper: Path of `acme-agent-token`.
    public convenience init(configuration: TokenConfiguration, helper: String, eventLoop: any EventLoop, logger: Logger) {
        self.init(configuration: configuration, launcher: ProcessLauncher(path: helper), eventLoop: eventLoop, logger: logger)
    }

    public init(
        configuration: TokenConfiguration, launcher: any HelperLauncher, eventLoop: any EventLoop, logger: Logger,
        limits: SupervisorLimits = SupervisorLimits()
    ) {
        self.configuration = configuration
        self.launcher = launcher
        self.eventLoop = eventLoop
        self.limits = limits
        self.pause = limits.firstPause
        var logger = logger
        logger[metadataKey: "token"] = "\(configuration.name)"
        self.logger = logger
    }

    /// Starts the helper. Succeeds as soon as it is known how the token is, also where it cannot be used: look at `state`.
    public func start() -> EventLoopFuture<Void> {
        eventLoop.preconditionInEventLoop()
        let promise = eventLoop.makePromise(of: Void.self)
        first = promise
        launch()
        return promise.futureResult
    }

    /// Ends the helper; whatever waits is answered with a failure.
    public func stop() -> EventLoopFuture<Void> {
        eventLoop.preconditionInEventLoop()
        state = .stopped
        let failure = TokenFailure(.stopped, message: "the agent stops")
        endHelper()
        for request in scheduler.drain() { request.completion(.failure(failure)) }
        failControlCalls(failure)
        settled()
        return eventLoop.makeSucceededVoidFuture()
    }

    // MARK: Signatures

    /// Has the token sign.
    /// - Parameters:
    ///   - input: A digest, or for Ed25519 the message.
    ///   - deadline: When nobody waits any more.
    ///   - completion: Called once, on the event loop. ECDSA signatures are r‖s.
    public func sign(
        _ key: TokenKeyReference, _ mechanism: SigningMechanism, _ input: [UInt8], deadline: NIODeadline,
        completion: @escaping (Result<[UInt8], TokenFailure>) -> Void
    ) {
        eventLoop.preconditionInEventLoop()
        switch state {
        case .unavailable(let failure): return completion(.failure(failure))
        case .stopped: return completion(.failure(TokenFailure(.stopped, message: "the agent stops")))
        case .starting, .ready: break
        }
        let request = SignatureRequest(key: key, mechanism: mechanism, input: input, deadline: deadline, completion: completion)
        if let refused = scheduler.enqueue(request) {
            return refused.completion(.failure(TokenFailure(.overloaded, message: "too many signatures wait for the token")))
        }
        dispatch()
        runTimer()
    }

    private func dispatch() {
        guard isReady else { return }
        let now = NIODeadline.now()
        while let assignment = scheduler.assign(now: now) {
            links[assignment.link].append(
                .sign(assignment.request.key, assignment.request.mechanism, assignment.request.input), id: assignment.id)
            scheduleFlush()
        }
    }

    private func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            for link in self.links { link.flush() }
        }
    }

    private func received(_ reply: HelperReply, id: UInt32, link: Int, generation: Int) {
        guard generation == self.generation, let request = scheduler.complete(link: link, id: id) else { return }
        switch reply {
        case .signature(let signature):
            signatures &+= 1
            request.completion(.success(signature))
        case .failure(let failure): request.completion(.failure(failure))
        default: request.completion(.failure(TokenFailure(.device, message: "the helper sent another kind of reply")))
        }
        dispatch()
    }

    // MARK: Keys

    /// Makes a key pair in the token.
    public func generate(label: String, id: [UInt8], algorithm: KeyAlgorithm) -> EventLoopFuture<TokenKey> {
        call(.generate(label: label, id: id, algorithm: algorithm), within: limits.generation) { reply in
            if case .key(let key) = reply { key } else { nil }
        }
    }

    /// Private keys that an RFC 7512 URI fits.
    public func find(uri: String) -> EventLoopFuture<[TokenKey]> {
        call(.find(uri: uri), within: limits.control) { reply in if case .keys(let keys, _) = reply { keys } else { nil } }
    }

    /// Every private key of the token.
    public func list() -> EventLoopFuture<[TokenKey]> {
        call(.list, within: limits.control) { reply in if case .keys(let keys, _) = reply { keys } else { nil } }
    }

    /// Destroys a key pair.
    public func destroy(_ key: TokenKeyReference) -> EventLoopFuture<Void> {
        call(.destroy(key), within: limits.control) { reply in if case .done = reply { () } else { nil } }
    }

    private func call<Value: Sendable>(
        _ request: HelperRequest, within time: TimeAmount, _ value: @escaping (HelperReply) -> Value?
    ) -> EventLoopFuture<Value> {
        eventLoop.preconditionInEventLoop()
        let promise = eventLoop.makePromise(of: Value.self).assumeIsolated()
        switch state {
        case .unavailable(let failure): promise.nonisolated().fail(failure)
        case .stopped: promise.nonisolated().fail(TokenFailure(.stopped, message: "the agent stops"))
        case .starting, .ready:
            guard isReady else {
                promise.nonisolated().fail(
                    TokenFailure(.helperDied, message: "the token's helper is being started", hint: "try again in a moment"))
                break
            }
            send(request, within: time) { result in
                switch result {
                case .failure(let failure): promise.nonisolated().fail(failure)
                case .success(.failure(let failure)): promise.nonisolated().fail(failure)
                case .success(let reply):
                    guard let value = value(reply) else {
                        return promise.nonisolated().fail(TokenFailure(.device, message: "the helper sent another kind of reply"))
                    }
                    promise.succeed(value)
                }
            }
        }
        return promise.nonisolated().futureResult
    }

    private func send(_ request: HelperRequest, within time: TimeAmount, _ completion: @escaping (Result<HelperReply, TokenFailure>) -> Void) {
        guard let control else { return completion(.failure(TokenFailure(.helperDied, message: "the token's helper does not run"))) }
        let id = nextControlID
        nextControlID = nextControlID == .max ? 1 : nextControlID + 1
        // Calls of the control link are done one after another: a deadline begins when those before are over, at the latest.
        let earlier = controlCalls.values.map(\.deadline).max() ?? .now()
        controlCalls[id] = ControlCall(deadline: max(earlier, .now()) + time, completion: completion)
        control.append(request, id: id)
        control.flush()
        runTimer()
    }

    private func receivedControl(_ reply: HelperReply, id: UInt32, generation: Int) {
        guard generation == self.generation, var call = controlCalls[id] else { return }
        if case .keys(let keys, let more) = reply {
            call.keys += keys
            controlCalls[id] = more ? call : nil
            if !more { call.completion(.success(.keys(call.keys, more: false))) }
        } else {
            controlCalls[id] = nil
            call.completion(.success(reply))
        }
    }

    private func failControlCalls(_ failure: TokenFailure) {
        let calls = controlCalls.values
        controlCalls = [:]
        for call in calls { call.completion(.failure(failure)) }
    }

    // MARK: The helper's life

    private func launch() {
        if case .stopped = state { return }
        generation += 1
        let generation = generation
        started = .now()
        do throws(TokenFailure) {
            let helper = try launcher.launch(configuration, signingLinks: configuration.pool)
            self.helper = helper
            logger.debug("helper started", metadata: ["process": "\(helper.process)"])
            connect(helper, generation)
        } catch {
            becomeUnavailable(error)
            restartLater()
        }
    }

    private func connect(_ helper: LaunchedHelper, _ generation: Int) {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let channels = helper.links.enumerated().map { index, descriptor in
            ClientBootstrap(group: eventLoop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(bound.value.handler(for: index, generation))
                    }
                }
                .withConnectedSocket(descriptor)
        }
        EventLoopFuture.andAllSucceed(channels, on: eventLoop).assumeIsolated().whenComplete { result in
            guard generation == self.generation else { return }
            if case .failure(let error) = result { return self.helperEnded("a link to the helper could not be opened: \(error)", generation) }
            self.greet(generation)
        }
    }

    private func handler(for index: Int, _ generation: Int) -> LinkHandler {
        let handler = LinkHandler(
            received: { [weak self] id, reply in
                if index == 0 {
                    self?.receivedControl(reply, id: id, generation: generation)
                } else {
                    self?.received(reply, id: id, link: index - 1, generation: generation)
                }
            },
            ended: { [weak self] why in self?.helperEnded(why, generation) })
        if index == 0 {
            control = handler
            links = []
        } else {
            links.append(handler)
        }
        return handler
    }

    private func greet(_ generation: Int) {
        send(.hello(configuration), within: limits.hello) { result in
            guard generation == self.generation else { return }
            self.answered(result, generation)
        }
    }

    private func answered(_ result: Result<HelperReply, TokenFailure>, _ generation: Int) {
        switch result {
        case .success(.ready(let information)):
            isReady = true
            scheduler.open(links: links.count)
            state = .ready(information)
            settled()
            dispatch()
        case .success(.failure(let failure)):
            becomeUnavailable(failure)
            recheckLater(generation)
        case .success: helperEnded("the helper sent another kind of reply", generation)
        case .failure: break
        }
    }

    private func becomeUnavailable(_ failure: TokenFailure) {
        if case .unavailable(let former) = state, former == failure { return settled() }
        if case .stopped = state { return }
        state = .unavailable(failure)
        for request in scheduler.drain() { request.completion(.failure(failure)) }
        settled()
    }

    /// Looks again whether the token is there. The helper itself never tries a PIN twice.
    private func recheckLater(_ generation: Int) {
        eventLoop.assumeIsolated().scheduleTask(in: limits.recheck) {
            guard generation == self.generation, !self.isReady, self.control != nil else { return }
            self.send(.status, within: self.limits.hello) { result in
                guard generation == self.generation else { return }
                self.answered(result, generation)
            }
        }
    }

    private func settled() {
        first?.succeed()
        first = nil
    }

    /// The helper died, hangs or talks nonsense.
    private func helperEnded(_ why: String, _ generation: Int) {
        guard generation == self.generation, helper != nil else { return }
        if case .stopped = state { return }
        logger.error("the token's helper is gone and is started again", metadata: ["why": "\(why)", "inFlight": "\(scheduler.inFlight)"])
        if NIODeadline.now() - started > limits.wellAfter { pause = limits.firstPause }
        endHelper()
        let failure = TokenFailure(
            .helperDied, message: "the token's helper died while it worked on this", hint: "the agent's log says more; the helper is started again")
        for request in scheduler.lose() { request.completion(.failure(failure)) }
        failControlCalls(failure)
        if case .ready = state { state = .starting }
        if case .starting = state {} else { settled() }
        restartLater()
    }

    private func endHelper() {
        generation += 1
        isReady = false
        control?.close()
        for link in links { link.close() }
        control = nil
        links = []
        if let helper { launcher.end(helper) }
        helper = nil
    }

    private func restartLater() {
        restarts += 1
        let wait = pause
        pause = min(pause * 2, limits.longestPause)
        // From the second death in a row on nobody should wait for something that may never come.
        if wait > limits.firstPause * 8 {
            becomeUnavailable(
                TokenFailure(
                    .helperDied, message: "the token's helper dies again and again", hint: "the agent's log says why; the PKCS#11 module may crash"))
        }
        eventLoop.assumeIsolated().scheduleTask(in: wait) { self.launch() }
    }

    // MARK: Deadlines

    /// Looks at deadlines four times a second while something waits, and not at all while nothing does.
    private func runTimer() {
        guard !isTimerRunning else { return }
        isTimerRunning = true
        eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(250)) {
            self.isTimerRunning = false
            self.lookAtDeadlines()
            if !self.scheduler.isIdle || !self.controlCalls.isEmpty { self.runTimer() }
        }
    }

    private func lookAtDeadlines() {
        let now = NIODeadline.now()
        for request in scheduler.expire(now: now) {
            request.completion(
                .failure(
                    TokenFailure(.timeout, message: "the token did not sign in time", hint: "the token is slow or was being started; try again")))
        }
        if let oldest = scheduler.oldestSent, now - oldest > limits.signature {
            return helperEnded("a signature took longer than \(limits.signature.nanoseconds / 1_000_000_000) s: the module hangs", generation)
        }
        if controlCalls.values.contains(where: { $0.deadline <= now }) {
            helperEnded("a call took too long: the module hangs", generation)
        }
    }
}
