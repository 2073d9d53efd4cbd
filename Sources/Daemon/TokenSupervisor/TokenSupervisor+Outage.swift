import NIOCore
import TokenProtocol

/// What a caller asks for outlasts a fault of the token that is shorter than the caller waits.
extension TokenSupervisor {
    /// Why a request would fail now; `nil` if it may wait. It may while the token has been away for less time than the
    /// caller waits: a token that has been away for longer seldom comes back just then. A token that has never been
    /// ready is probably configured wrongly.
    /// - Parameter time: How long the caller waits.
    public func refusal(within time: @autoclosure () -> TimeAmount) -> TokenFailure? {
        switch state {
        case .starting, .ready: nil
        case .stopped: TokenSupervisor.stopping
        case .unavailable(let failure): mayOutlast(failure) && .now() - unavailableSince < time() ? nil : failure
        }
    }

    /// The same for a caller's call on the control link.
    public var refusalOfCall: TokenFailure? { refusal(within: limits.patience) }

    func mayOutlast(_ failure: TokenFailure) -> Bool { wasEverReady && failure.mayPass }

    // MARK: Signatures

    /// Keeps a signature that the token failed, to try it again, if its deadline leaves time for that.
    /// - Returns: Whether it is kept.
    func hold(_ request: SignatureRequest, after failure: TokenFailure) -> Bool {
        guard failure.mayPass else { return false }
        let now = NIODeadline.now()
        outages.failed(request.key, now: now)
        request.failures += 1
        let pause = OutageMemory.pause(afterFailures: request.failures)
        guard request.isPatient, now + pause < request.deadline else { return false }
        request.lastFailure = failure
        held[ObjectIdentifier(request)] = request
        eventLoop.assumeIsolated().scheduleTask(in: pause) { self.resume(request) }
        return true
    }

    private func resume(_ request: SignatureRequest) {
        // It may have been answered meanwhile, because the agent stops.
        guard held.removeValue(forKey: ObjectIdentifier(request)) != nil else { return }
        guard scheduler.enqueue(request) else {
            return request.completion(.failure(request.lastFailure ?? TokenSupervisor.overloaded))
        }
        proceed()
    }

    // MARK: Calls

    /// A caller's call. After a failure that may pass it is made again. A key that may have been made nevertheless is
    /// looked for first.
    struct LastingCall {
        let request: HelperRequest
        let user: UInt32?
        let time: TimeAmount
        let until: NIODeadline
        let completion: (Result<HelperReply, TokenFailure>) -> Void
        var failures = 0
        var deaths = 0
        /// Whether the token may have made the key.
        var isInDoubt = false

        var next: HelperRequest {
            if isInDoubt, case .generate(let label, let id, _) = request { .settle(label: label, id: id) } else { request }
        }

        /// - Returns: Whether the call may be made again after this failure.
        mutating func note(_ failure: TokenFailure) -> Bool {
            failures += 1
            if failure.kind == .helperDied { deaths += 1 }
            guard failure.mayPass || failure.kind == .helperDied && deaths <= LinkScheduler.deathsAllowed else { return false }
            switch request {
            case .generate(_, let id, _):
                isInDoubt = failure.mayHaveHappened
                return !isInDoubt || id.count >= TokenLimits.uniqueID
            // Done twice they do no more than once.
            case .destroy, .find: return true
            default: return false
            }
        }
    }

    func make(_ call: LastingCall) {
        if case .stopped = state { return call.completion(.failure(TokenSupervisor.stopping)) }
        let time = call.isInDoubt ? limits.control : call.time
        send(call.next, of: call.user, within: time, until: call.until) { result in
            switch result {
            case .success(.settled(let key?)) where call.isInDoubt: call.completion(.success(.key(key)))
            case .success(.settled(nil)) where call.isInDoubt:
                var call = call
                call.isInDoubt = false
                self.make(call)
            case .success(.failure(let failure)), .failure(let failure): self.failed(call, failure)
            case .success: call.completion(result)
            }
        }
    }

    private func failed(_ call: LastingCall, _ failure: TokenFailure) {
        var call = call, failure = failure
        // A search that failed leaves the doubt.
        if call.isInDoubt { failure.mayHaveHappened = true }
        let mayRepeat = call.note(failure)
        let pause = OutageMemory.pause(afterFailures: call.failures)
        if case .stopped = state { return call.completion(.failure(failure)) }
        guard mayRepeat, wasEverReady, .now() + pause < call.until else { return call.completion(.failure(failure)) }
        lastHeldCall += 1
        let number = lastHeldCall
        heldCalls[number] = (call, failure)
        eventLoop.assumeIsolated().scheduleTask(in: pause) {
            if let (call, _) = self.heldCalls.removeValue(forKey: number) { self.make(call) }
        }
    }

    // MARK: Both

    /// Answers what is held with a failure.
    func failHeld(_ failure: TokenFailure) {
        let requests = held.values, calls = heldCalls.values
        held = [:]
        heldCalls = [:]
        for request in requests { request.completion(.failure(failure)) }
        for (call, last) in calls {
            var failure = failure
            failure.mayHaveHappened = last.mayHaveHappened
            call.completion(.failure(failure))
        }
    }
}
