import DaemonLog
import NIOCore
import NIOPosix
import TokenProtocol

/// The life of helpers: start, links, greeting, death, the next one.
extension TokenSupervisor {
    func launch() {
        if case .stopped = state { return }
        generation += 1
        launched = .now()
        do throws(TokenFailure) {
            if let refusal = HelperRequest.hello(configuration).refusal { throw refusal }
            let helper = try launcher.launch(configuration, signingLinks: configuration.pool)
            self.helper = helper
            logger.log(.helperStarted, "helper started", [.process: "\(helper.process)", .links: "\(helper.links.count)"])
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
            switch result {
            case .success: self.greet(.hello(self.configuration), generation)
            case .failure(let error): self.helperEnded("a link to it could not be opened: \(error)", generation)
            }
        }
    }

    private func handler(for index: Int, _ generation: Int) -> LinkHandler {
        // Not weak: once a weak reference to an object was made, counting its references costs twice as much. A link
        // ends with its helper.
        let handler = LinkHandler(
            received: { id, reply in
                if index == 0 {
                    self.receivedControl(reply, id: id, generation: generation)
                } else {
                    self.received(reply, id: id, link: index - 1, generation: generation)
                }
            },
            readEnded: { self.flushLinks() },
            ended: { why in self.helperEnded(why, generation) })
        if index == 0 {
            control = handler
            links = []
        } else {
            links.append(handler)
        }
        return handler
    }

    private func greet(_ greeting: HelperRequest, _ generation: Int) {
        send(greeting, within: limits.hello) { result in
            guard generation == self.generation else { return }
            self.greeted(result, generation)
        }
    }

    private func greeted(_ result: Result<HelperReply, TokenFailure>, _ generation: Int) {
        switch result {
        case .success(.ready(let information)):
            becomeReady(information)
        case .success(.failure(let failure)):
            isReady = false
            becomeUnavailable(failure)
            recheckLater(generation)
        case .success: helperEnded("it sent another kind of reply", generation)
        // The helper's end is handled where it is noticed.
        case .failure: break
        }
    }

    /// Has a logged-in helper report its state: its PIN file may have changed, which would otherwise show only at the
    /// next login.
    public func lookAtPINFile() {
        guard isReady else { return }
        greet(.status, generation)
    }

    private func becomeReady(_ information: TokenInformation) {
        guard !isReady else {
            if case .ready(let former) = state, former != information { state = .ready(information) }
            return
        }
        isReady = true
        wasEverReady = true
        policy.becameReady()
        recheck = RecheckPace(limits: limits)
        // A helper that had lost the token may still have requests in hand.
        if !scheduler.isOpen { scheduler.open(links: links.count) }
        state = .ready(information)
        settled()
        dispatch()
        flushLinks()
        sendNextCall()
    }

    /// The helper reports, unasked, that the token has gone away or is back.
    func told(_ reply: HelperReply, _ generation: Int) {
        if case .stopped = state { return }
        // Reports that change nothing count as well: each of them is read.
        guard notices.take(now: .now()) else {
            return helperEnded("it reported too often, unasked, that the token is gone or back", generation)
        }
        switch reply {
        case .failure(let failure) where isReady:
            isReady = false
            // What waits may still be done in time; for new requests see `refusal`.
            unavailableSince = .now()
            state = .unavailable(failure)
            recheck = RecheckPace(limits: limits)
            recheckLater(generation)
        case .ready(let information) where !isReady: becomeReady(information)
        case .failure, .ready: break
        default: helperEnded("it sent something that was not requested", generation)
        }
    }

    func becomeUnavailable(_ failure: TokenFailure) {
        defer { settled() }
        switch state {
        case .stopped: return
        case .unavailable(let former):
            guard former != failure else { return }
            state = .unavailable(failure)
            // What has waited since the token went away has its own deadline, if that helps.
            if !mayOutlast(failure) { failWaiting(failure) }
        case .starting, .ready:
            unavailableSince = .now()
            state = .unavailable(failure)
            // What waits has its own deadline here too.
            if !mayOutlast(failure) { failWaiting(failure) }
        }
    }

    /// Checks again whether the token is there: a device may have been plugged in, a PIN file corrected. This tries no
    /// PIN too often: the helper records each try on disk before it makes it.
    private func recheckLater(_ generation: Int) {
        let (wait, isWhole) = recheck.next()
        eventLoop.assumeIsolated().scheduleTask(in: wait) {
            guard generation == self.generation, !self.isReady, self.control != nil else { return }
            self.greet(isWhole ? .status : .look, generation)
        }
    }

    func settled() {
        settlement?.succeed()
        settlement = nil
    }

    /// The helper died, hangs or violates the protocol.
    func helperEnded(_ why: String, _ generation: Int) {
        guard generation == self.generation, helper != nil else { return }
        if case .stopped = state { return }
        let wasReady = isReady
        let process = helper?.process ?? 0
        let inFlight = scheduler.inFlight
        endHelper(after: .zero) { [logger] exit in
            logger.log(
                .helperEnded, "the token's helper has ended and is being restarted",
                [
                    .why: why, .exit: "\(exit)", .process: "\(process)", .inFlight: "\(inFlight)", .wasReady: "\(wasReady)",
                ])
        }
        let failure = TokenFailure(
            .helperDied, message: "the token's helper died while it worked on this",
            hint: "the agent's log says more; the helper is restarted")
        if case .ready = state { state = .starting }
        for request in scheduler.lose(now: .now()) { request.completion(.failure(failure)) }
        for call in calls.lose() { call.completion(.failure(failure)) }
        restartLater(wasReady: wasReady)
    }

    /// - Parameter ended: Called on any thread once the process has ended; at once if there is none.
    func endHelper(after grace: TimeAmount, ended: @escaping @Sendable (HelperExit) -> Void) {
        generation += 1
        isReady = false
        control?.close()
        for link in links { link.close() }
        control = nil
        links = []
        guard let helper else { return ended(.unknown) }
        self.helper = nil
        launcher.end(helper, after: grace, ended: ended)
    }

    private func restartLater(wasReady: Bool = false) {
        restarts += 1
        let wait = policy.ended(after: .now() - launched, wasReady: wasReady)
        if policy.isHopeless {
            let former: TokenFailure? = if case .unavailable(let failure) = state { failure } else { nil }
            // What the last helper said, or why none could be started, tells more than that it died.
            if former == nil {
                becomeUnavailable(
                    TokenFailure(
                        .helperDied, message: "the token's helper keeps dying",
                        hint: "the agent's log says why; the PKCS#11 module may be crashing"))
            }
        }
        eventLoop.assumeIsolated().scheduleTask(in: wait) { self.launch() }
    }
}
