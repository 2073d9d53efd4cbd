import DaemonLog
import JOSE
import NIOCore
import TokenProtocol

/// The daemon's end of one token: starts the helper, gives it work, restarts it when it dies or hangs.
///
/// Confined to one event loop. The links to the helper are channels of that loop, so that a signature passes through no
/// other thread of the daemon. A signature that was in hand when a helper died is requested once more; each is answered
/// exactly once.
public final class TokenSupervisor {
    /// Called on the event loop whenever `state` has changed.
    public var onStateChange: ((TokenState) -> Void)?

    public internal(set) var state = TokenState.starting {
        didSet { onStateChange?(state) }
    }

    public var statistics: TokenStatistics {
        TokenStatistics(
            restarts: restarts, queued: scheduler.queued + held.count, inFlight: scheduler.inFlight, signatures: signatures,
            generation: generation)
    }

    let configuration: TokenConfiguration
    let launcher: any HelperLauncher
    let eventLoop: any EventLoop
    let limits: SupervisorLimits
    let logger: DaemonLogger

    var scheduler = LinkScheduler()
    var calls = ControlQueue()
    var policy: RestartPolicy
    var recheck: RecheckPace
    var notices: NoticeAllowance

    // Requests that outlast a fault; see TokenSupervisor+Outage.swift.
    var outages = OutageMemory()
    var held: [ObjectIdentifier: SignatureRequest] = [:]
    var heldCalls: [UInt64: (LastingCall, TokenFailure)] = [:]
    var lastHeldCall: UInt64 = 0
    /// Since when the token has been unavailable, if it is.
    var unavailableSince = NIODeadline.now()
    var wasEverReady = false

    // The running helper; see TokenSupervisor+Helper.swift.
    var helper: LaunchedHelper?
    /// Counts helpers; what an earlier one still sends is ignored.
    var generation = 0
    var control: LinkHandler?
    var links: [LinkHandler] = []
    /// The helper has the token open.
    var isReady = false
    var launched = NIODeadline.now()
    var restarts = 0
    /// Fulfilled once the token's state is known.
    var settlement: EventLoopPromise<Void>?

    private var signatures: UInt64 = 0
    private var isFlushScheduled = false
    private var isTimerRunning = false

    public init(
        configuration: TokenConfiguration, launcher: any HelperLauncher, eventLoop: any EventLoop, logger: DaemonLogger,
        limits: SupervisorLimits = SupervisorLimits()
    ) {
        self.configuration = configuration
        self.launcher = launcher
        self.eventLoop = eventLoop
        self.limits = limits
        policy = RestartPolicy(limits: limits)
        recheck = RecheckPace(limits: limits)
        notices = NoticeAllowance(limits: limits, now: .now())
        self.logger = logger.with(.token, configuration.name)
    }

    /// Starts the helper. Succeeds as soon as the token's state is known, even if it cannot be used: see `state`.
    public func start() -> EventLoopFuture<Void> {
        eventLoop.preconditionInEventLoop()
        let promise = eventLoop.makePromise(of: Void.self)
        settlement = promise
        launch()
        return promise.futureResult
    }

    /// Ends the helper; whatever waits is answered with a failure.
    /// - Returns: Succeeds when the helper's process has ended: by itself, after its current call, or killed after
    ///   `limits.stop`.
    public func stop(_ failure: TokenFailure = TokenSupervisor.stopping) -> EventLoopFuture<Void> {
        eventLoop.preconditionInEventLoop()
        if case .stopped = state { return eventLoop.makeSucceededVoidFuture() }
        state = .stopped
        let promise = eventLoop.makePromise(of: Void.self)
        endHelper(after: limits.stop) { _ in promise.succeed() }
        failAll(failure)
        settled()
        return promise.futureResult
    }

    public static let stopping = TokenFailure(.stopped, message: "the agent is stopping")
    static let overloaded = TokenFailure(
        .overloaded, message: "too many signatures wait for the token, of this user or in all", hint: "try again later")

    // MARK: Signatures

    /// Has the token sign.
    /// - Parameters:
    ///   - input: A digest, or for Ed25519 the message.
    ///   - user: Whose request it is; users are served in turn.
    ///   - deadline: When nobody waits any longer; checked four times a second.
    ///   - completion: Called once, on the event loop, after the deadline at the latest. A failure of the token that may
    ///     pass is answered only when no time is left to try again. ECDSA signatures are r‖s.
    public func sign(
        _ key: TokenKeyReference, _ mechanism: SigningMechanism, _ input: [UInt8], user: UInt32, deadline: NIODeadline,
        completion: @escaping (Result<[UInt8], TokenFailure>) -> Void
    ) {
        eventLoop.preconditionInEventLoop()
        if let refusal = refusal(within: deadline - .now()) ?? HelperRequest.sign(key, mechanism, input).refusal {
            return completion(.failure(refusal))
        }
        let request = SignatureRequest(
            user: user, key: key, mechanism: mechanism, input: input, deadline: deadline, completion: completion)
        if !outages.isEmpty {
            let now = NIODeadline.now()
            request.isPatient = outages.age(key, now: now) < deadline - now
        }
        guard scheduler.enqueue(request) else { return completion(.failure(TokenSupervisor.overloaded)) }
        proceed()
    }

    /// Something was added to the queue of signatures.
    func proceed() {
        dispatch()
        scheduleFlush()
        runTimer()
    }

    /// The requests that `body` makes leave in one write to each link, and without a task of the loop.
    public func inOneWrite(_ body: () -> Void) {
        // The caller that set the flag flushes.
        guard !isFlushScheduled else { return body() }
        isFlushScheduled = true
        body()
        flushLinks()
    }

    /// Gives links what they have room for; must be followed by `flushLinks`.
    func dispatch() {
        guard isReady, scheduler.queued > 0 else { return }
        let now = NIODeadline.now()
        while let assignment = scheduler.assign(now: now) {
            let request = assignment.request
            links[assignment.link].append(.sign(request.key, request.mechanism, request.input), id: assignment.id)
        }
    }

    /// Frames of one round of the loop leave in one write.
    private func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        eventLoop.assumeIsolated().execute { self.flushLinks() }
    }

    func flushLinks() {
        isFlushScheduled = false
        for link in links { link.flush() }
    }

    /// A reply on a signing link.
    func received(_ reply: HelperReply, id: UInt32, link: Int, generation: Int) {
        guard generation == self.generation else { return }
        switch scheduler.complete(link: link, id: id, now: .now()) {
        case .abandoned: break
        case .unknown: return helperEnded("it answered a request that it was not sent", generation)
        case .request(let request):
            switch reply {
            case .signature(let signature):
                signatures &+= 1
                outages.worked(request.key)
                request.completion(.success(signature))
            case .failure(let failure):
                let failure = failure.inOwnWords
                if !hold(request, after: failure) { request.completion(.failure(failure)) }
            default: request.completion(.failure(TokenFailure(.device, message: "the helper sent another kind of reply")))
            }
        }
        dispatch()
    }

    // MARK: Keys

    /// Makes a key pair in the token.
    /// - Parameter user: Whose request it is, `nil` for the agent's own; users are served in turn. The same below.
    public func generate(label: String, id: [UInt8], algorithm: KeyAlgorithm, user: UInt32? = nil) -> EventLoopFuture<TokenKey> {
        call(.generate(label: label, id: id, algorithm: algorithm), user, within: limits.generation) { reply in
            if case .key(let key) = reply { key } else { nil }
        }
    }

    /// What `generate` with this label and id left in the token: the pair, or nil if there is nothing. Halves are
    /// destroyed. Fails if that cannot be found out.
    public func settle(label: String, id: [UInt8]) -> EventLoopFuture<TokenKey?> {
        call(.settle(label: label, id: id), nil, within: limits.control) { reply in
            if case .settled(let key) = reply { .some(key) } else { nil }
        }
    }

    /// Private keys that match an RFC 7512 URI.
    public func find(uri: String, user: UInt32? = nil) -> EventLoopFuture<[TokenKey]> {
        call(.find(uri: uri), user, within: limits.control) { reply in if case .keys(let keys, _) = reply { keys } else { nil } }
    }

    /// Every private key of the token.
    public func list() -> EventLoopFuture<[TokenKey]> {
        call(.list, nil, within: limits.control) { reply in if case .keys(let keys, _) = reply { keys } else { nil } }
    }

    /// Has the helper look up the keys in advance, without keeping anybody waiting, so that their first signatures need
    /// no search of the token. Must be called for each helper that becomes ready.
    public func prepare() -> EventLoopFuture<Void> {
        call(.prepare, nil, within: limits.control) { reply in if case .done = reply { () } else { nil } }
    }

    /// Destroys a key pair.
    public func destroy(_ key: TokenKeyReference, user: UInt32? = nil) -> EventLoopFuture<Void> {
        call(.destroy(key), user, within: limits.control) { reply in if case .done = reply { () } else { nil } }
    }

    private func call<Value: Sendable>(
        _ request: HelperRequest, _ user: UInt32?, within time: TimeAmount, _ value: @escaping (HelperReply) -> Value?
    ) -> EventLoopFuture<Value> {
        eventLoop.preconditionInEventLoop()
        let promise = eventLoop.makePromise(of: Value.self)
        // What the agent does by itself it does again by itself.
        let patience = user == nil ? .zero : limits.patience
        if let refusal = refusal(within: patience) ?? request.refusal {
            promise.fail(refusal)
            return promise.futureResult
        }
        let call = LastingCall(request: request, user: user, time: time, until: .now() + patience) { result in
            switch result {
            case .failure(let failure), .success(.failure(let failure)): promise.fail(failure)
            case .success(let reply):
                guard let value = value(reply) else {
                    return promise.fail(TokenFailure(.device, message: "the helper sent another kind of reply"))
                }
                promise.assumeIsolated().succeed(value)
            }
        }
        make(call)
        return promise.futureResult
    }

    /// - Parameter until: When nobody waits any longer, if the token is away.
    func send(
        _ request: HelperRequest, of user: UInt32? = nil, within time: TimeAmount, until: NIODeadline? = nil,
        _ completion: @escaping (Result<HelperReply, TokenFailure>) -> Void
    ) {
        var call = ControlCall(request: request, user: user, time: time, completion: completion, expires: .now() + time)
        if case .unavailable = state, let until { call.expires = until }
        guard calls.enqueue(call) else {
            return completion(.failure(TokenFailure(.overloaded, message: "too many calls wait for the token", hint: "try again later")))
        }
        sendNextCall()
        runTimer()
    }

    func sendNextCall() {
        guard let control, let (id, request) = calls.next(isReady: isReady, now: .now()) else { return }
        control.append(request, id: id)
        control.flush()
    }

    /// A reply on the control link.
    func receivedControl(_ reply: HelperReply, id: UInt32, generation: Int) {
        guard generation == self.generation else { return }
        let reply = reply.inOwnWords
        if id == HelperReply.unasked { return told(reply, generation) }
        switch calls.receive(reply, id: id, now: .now()) {
        case .continues: break
        case .unexpected: helperEnded("it answered a call that it was not sent", generation)
        case .finished(let call, let reply):
            call.completion(.success(reply))
            sendNextCall()
        }
    }

    /// Answers what waits with a failure; the helper itself answers what it has in hand.
    func failWaiting(_ failure: TokenFailure) {
        for request in scheduler.drainQueue(now: .now()) { request.completion(.failure(failure)) }
        for call in calls.drainWaiting() { call.completion(.failure(failure)) }
        failHeld(failure)
    }

    /// Answers everything that waits or is in hand with a failure.
    func failAll(_ failure: TokenFailure) {
        for request in scheduler.drain(now: .now()) { request.completion(.failure(failure)) }
        // The helper may still do the one that it has in hand.
        let isInHand = calls.isInHand
        for (index, call) in calls.drain().enumerated() {
            var failure = failure
            if index == 0, isInHand { failure.mayHaveHappened = true }
            call.completion(.failure(failure))
        }
        failHeld(failure)
    }

    // MARK: Deadlines

    /// Checks deadlines four times a second while something waits or has just waited, and not at all otherwise.
    private func runTimer() {
        guard !isTimerRunning else { return }
        isTimerRunning = true
        eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(250)) {
            self.isTimerRunning = false
            self.lookAtDeadlines()
            if !self.scheduler.isIdle || self.scheduler.knownUsers > 0 || !self.calls.isIdle { self.runTimer() }
        }
    }

    private func lookAtDeadlines() {
        let now = NIODeadline.now()
        var late = TokenFailure(
            .timeout, message: "the token did not answer in time", hint: "the token is slow or its helper was being started; try again")
        if case .unavailable(let failure) = state { late = failure }
        for request in scheduler.expire(now: now) { request.completion(.failure(request.lastFailure ?? late)) }
        for call in calls.expire(now: now) { call.completion(.failure(late)) }
        if let since = scheduler.owesSince, now - since > limits.signature {
            helperEnded("a signature took longer than \(limits.signature.nanoseconds / 1_000_000) ms; the module hangs", generation)
        } else if calls.isOverdue(now: now) {
            helperEnded("a call took longer than allowed; the module hangs", generation)
        }
    }
}
