import ACME
import ACMEClient
import CertificateStore
import JOSE

/// Issues, renews and revokes certificates: an order at a CA, a key in the agent, an entry in the store.
///
/// The journal has each step before it is taken, and each result that matters before the next step that changes
/// something at the CA. So the next run can resume an interrupted one at any point: with the same key, the same order
/// and, if the CA has already issued it, the same certificate.
public struct IssuanceFlow: Sendable {
    /// Deploys an installed certificate. If it throws, the next run calls it again.
    public typealias DeployHook = @Sendable (StoredCertificate) async throws -> Void

    let issuer: any CertificateIssuer
    let store: any CertificateStore
    let keys: any KeyProvider
    let solvers: [any ChallengeSolver]
    let limits: IssuanceLimits
    let time: any Timekeeping
    let deploy: DeployHook?
    let oldKeyGrace: Duration
    let releasesAuthorizations: @Sendable () async -> Bool
    let observer: IssuanceObserver

    /// - Parameters:
    ///   - solvers: in order of preference; the first one that can solve an offered challenge is used.
    ///   - deploy: called for each installed generation.
    ///   - oldKeyGrace: How long a replaced key stays active after that; `OutgoingKeys` then retires it.
    ///   - releasesAuthorizations: Whether authorizations that a failed order leaves pending are deactivated (RFC 8555
    ///     §7.5.2): where the CA limits their number and policy allows it. Asked only then; elsewhere they expire.
    public init(
        issuer: any CertificateIssuer, store: any CertificateStore, keys: any KeyProvider, solvers: [any ChallengeSolver],
        limits: IssuanceLimits = IssuanceLimits(), time: any Timekeeping = SystemTime(), deploy: DeployHook? = nil,
        oldKeyGrace: Duration = .zero, releasesAuthorizations: @escaping @Sendable () async -> Bool = { false },
        observer: @escaping IssuanceObserver = { _ in }
    ) {
        self.issuer = issuer
        self.store = store
        self.keys = keys
        self.solvers = solvers
        self.limits = limits
        self.time = time
        self.deploy = deploy
        self.oldKeyGrace = oldKeyGrace
        self.releasesAuthorizations = releasesAuthorizations
        self.observer = observer
    }

    /// Gets a certificate, or resumes an interrupted order for it.
    /// - Throws: `IssuanceError`, `ACMEClientError`, `StoreError` (`.locked` if another process works on it), the key
    ///   provider's errors, `CancellationError`. Challenges are cleaned up in every case.
    public func issue(_ request: IssuanceRequest) async throws -> IssuanceOutcome {
        guard !request.identifiers.isEmpty else { throw IssuanceError.noIdentifiers }
        let lock = try await store.lock(request.name)
        defer { lock.release() }
        return try await issue(
            request, stored: try await store.certificate(named: request.name), earlier: try await store.journal(named: request.name))
    }

    /// Gets a certificate if it is still wanted once the lock is held: another run may already have got it.
    /// - Parameter isWanted: decides under the certificate's lock, from the installed certificate and the interrupted
    ///   order.
    /// - Returns: `nil` if it is no longer wanted.
    public func issue(
        _ request: IssuanceRequest, ifStill isWanted: (StoredCertificate?, OrderJournal?) -> Bool
    ) async throws -> IssuanceOutcome? {
        guard !request.identifiers.isEmpty else { throw IssuanceError.noIdentifiers }
        let lock = try await store.lock(request.name)
        defer { lock.release() }
        let stored = try await store.certificate(named: request.name), earlier = try await store.journal(named: request.name)
        guard isWanted(stored, earlier) else { return nil }
        return try await issue(request, stored: stored, earlier: earlier)
    }

    private func issue(_ request: IssuanceRequest, stored: StoredCertificate?, earlier: OrderJournal?) async throws -> IssuanceOutcome {
        var earlier = earlier
        if let journal = earlier {
            earlier = await cleanUpLeftovers(of: journal)
            do {
                if let outcome = try await finishInstalled(journal, stored, request) { return outcome }
            } catch IssuanceError.deployFailed(let name, let reason) where request.replacesUndeployed {
                observer(.warning("the deploy hook of \(name) failed again; a new certificate is ordered all the same: \(reason)"))
                return try await replaceUndeployed(journal, request, stored: stored)
            }
            if journal.isInstalled(as: stored) { earlier = nil }
        }
        return try await run(request, stored: stored, earlier: earlier)
    }

    /// Orders anew although the installed certificate's deploy hook has not succeeded. If that comes to nothing, the next
    /// run tries the hook again.
    private func replaceUndeployed(
        _ undeployed: OrderJournal, _ request: IssuanceRequest, stored: StoredCertificate?
    ) async throws -> IssuanceOutcome {
        do {
            return try await run(request, stored: stored, earlier: nil, outgoing: undeployed.outgoingKeys)
        } catch {
            // In a separate task: in a cancelled one the write may be refused.
            await Task { try? await restore(undeployed) }.value
            throw error
        }
    }

    /// Writes a journal again unless a later order has left something that the next run needs. A failed order's key that
    /// could not be deleted is less than a hook that no run would try again.
    private func restore(_ journal: OrderJournal) async throws {
        if let left = try await store.journal(named: journal.name) {
            let isOver = left.hasFailed ? !left.isFinalizing : left.order == nil && left.keyOrigin == nil
            guard isOver, left.challengesToCleanUp.isEmpty else { return }
        }
        try await store.write(journal)
    }

    /// - Parameter outgoing: keys that servers may still use, because no later certificate has been deployed.
    private func run(
        _ request: IssuanceRequest, stored: StoredCertificate?, earlier: OrderJournal?, outgoing: [KeyName] = []
    ) async throws -> IssuanceOutcome {
        var request = request
        request.replaces = request.replaces ?? stored.flatMap { replaced($0, by: request) }
        let plan: KeyPlan
        do { plan = try await planKey(request, stored: stored, earlier: earlier) } catch {
            if let earlier, Verdict.isFinal(error) { try? await JournalKeeper(store: store, journal: earlier).record(.failed) }
            throw error
        }
        var journal = OrderJournal(
            name: request.name, directory: issuer.directory, identifiers: request.identifiers, profile: request.profile,
            mustStaple: request.mustStaple,
            accountKey: issuer.accountKey, account: issuer.account, started: time.unixTime(),
            replacing: stored?.metadata.generation ?? 0,
            steps: Self.outgoing(outgoing + (earlier?.outgoingKeys ?? []), besides: plan) + plan.steps)
        var known: IssuerOrder?
        if let earlier, earlier.key == plan.name, isSameOrder(earlier, request) {
            journal = earlier
            journal.reopen()
            known = IssuerOrder(journal)
            observer(.resumed(request.name, order: known?.url, after: earlier.hasFailed ? .failure : .interruption))
        }
        let keeper = JournalKeeper(
            store: store, journal: journal, installed: stored, mayBeCertified: known != nil && journal.isFinalizing)
        // The intent of all that follows. If it cannot be written, no key is made and nothing is signed.
        try await keeper.write()
        do {
            return try await obtain(plan, request, known, keeper)
        } catch {
            // A final refusal is not an interruption: no timer resumes it. A certificate that is still due is ordered anew.
            if Verdict.isFinal(error) { await giveUp(plan, keeper) }
            throw error
        }
    }

    /// The steps for keys that an earlier order has replaced, so that the run that completes this one can let them go.
    private static func outgoing(_ keys: [KeyName], besides plan: KeyPlan) -> [JournalStep] {
        var steps: [JournalStep] = []
        for key in keys where key != plan.name && key != plan.replaced {
            let step = JournalStep.intentKey(name: key, isNew: false)
            if !steps.contains(step) { steps.append(step) }
        }
        return steps
    }

    /// The certificate that a new one replaces, by its name in RFC 9773 §5: of the same CA and account, with at least one
    /// of the names.
    private func replaced(_ stored: StoredCertificate, by request: IssuanceRequest) -> String? {
        guard stored.metadata.directory == issuer.directory, let account = stored.metadata.account, account == issuer.account,
            !stored.isRevoked, !Set(stored.metadata.identifiers).isDisjoint(with: request.identifiers)
        else { return nil }
        return stored.certID
    }

    /// Gets the certificate with an earlier run's order, or with a new order if that one is a dead end.
    private func obtain(
        _ plan: KeyPlan, _ request: IssuanceRequest, _ known: IssuerOrder?, _ keeper: JournalKeeper
    ) async throws -> IssuanceOutcome {
        var plan = plan
        if let known {
            do {
                let (key, order) = try await keyAndOrder(plan, request, known, keeper)
                return try await complete(order, request, key, keeper, wasResumed: true)
            } catch {
                // A certificate that may have been issued is not abandoned because the CA is down, until it has had a
                // day to come back.
                let age = await time.unixTime() - keeper.journal.started
                let mayBeCertified = await keeper.mayBeCertified && age < Self.dayOfOutage
                guard Verdict.isDeadEnd(error, mayBeCertified: mayBeCertified) else { throw error }
                try Task.checkCancellation()
                let reason = "\(error)".split(separator: "\n").map { $0.drop { $0 == " " } }.joined(separator: " ")
                observer(.warning("the earlier run's order cannot be completed; placing a new one: \(reason)"))
                // The key may have been made in the meantime.
                plan.isKnownMissing = false
            }
        }
        let (key, order) = try await keyAndOrder(plan, request, nil, keeper)
        return try await complete(order, request, key, keeper, wasResumed: false)
    }

    /// How many seconds a CA may be down before a certificate that it may have issued is abandoned.
    private static let dayOfOutage: Int64 = 86_400

    /// One of the two things that finalize needs.
    private enum Preparation: Sendable {
        case key(Result<ManagedKey, any Error>)
        case order(Result<IssuerOrder, any Error>)
    }

    /// The key, and an order whose names are validated. A key is made only for an order that the CA has accepted, so
    /// that a refused order leaves none. Then both proceed concurrently: a token may need as long for a key as a CA for
    /// its challenges, and neither needs the other before finalize. If one fails, the other is abandoned.
    /// - Parameter known: an earlier run's order; `nil` places a new one.
    private func keyAndOrder(
        _ plan: KeyPlan, _ request: IssuanceRequest, _ known: IssuerOrder?, _ keeper: JournalKeeper
    ) async throws -> (ManagedKey, IssuerOrder) {
        var mayCreate = false
        if plan.isKnownMissing { mayCreate = await keys.mayCreateKey(named: plan.name) }
        guard mayCreate else {
            let key = try await obtainKey(plan, request, keeper)
            return (key, try await proven(try await begin(request, known), request, isNew: known == nil, keeper))
        }
        let order = try await begin(request, known)
        return try await withThrowingTaskGroup(of: Preparation.self) { group in
            group.addTask {
                do { return .order(.success(try await proven(order, request, isNew: known == nil, keeper))) } catch {
                    return .order(.failure(error))
                }
            }
            group.addTask {
                do { return .key(.success(try await obtainKey(plan, request, keeper))) } catch { return .key(.failure(error)) }
            }
            var key: ManagedKey?, order: IssuerOrder?, failure: (any Error)?
            for try await preparation in group {
                switch preparation {
                case .key(.success(let made)): key = made
                case .order(.success(let proven)): order = proven
                case .order(.failure(let error)) where Verdict.isFinal(error) || Verdict.isDeadEnd(error):
                    // Wait for a key that is being made: it is then deleted, or used for the next order. Cancelled, it
                    // might be left in the token.
                    failure = failure ?? error
                case .key(.failure(let error)), .order(.failure(let error)):
                    failure = failure ?? error
                    group.cancelAll()
                }
            }
            if let failure { throw failure }
            guard let key, let order else { throw CancellationError() }
            return (key, order)
        }
    }

    /// The order in its current state.
    private func begin(_ request: IssuanceRequest, _ known: IssuerOrder?) async throws -> IssuerOrder {
        guard let known else { return try await place(request) }
        let order = try await look(at: known)
        if order.state == .failed { throw IssuanceError.orderFailed(order.problem) }
        return order
    }

    private func isSameOrder(_ journal: OrderJournal, _ request: IssuanceRequest) -> Bool {
        // The account's key may have changed since; its URL stays (RFC 8555 §7.3.5).
        let isSameAccount = journal.account.map { $0 == issuer.account } ?? (journal.accountKey == issuer.accountKey)
        return journal.directory == issuer.directory && isSameAccount && journal.profile == request.profile
            && journal.mustStaple == request.mustStaple && Set(journal.identifiers) == Set(request.identifiers)
    }

    /// Places an order.
    func place(_ request: IssuanceRequest) async throws -> IssuerOrder {
        try Self.check(solvers, for: request.identifiers)
        var order = NewOrder(
            identifiers: request.identifiers, profile: request.profile, replaces: request.replaces, notBefore: request.notBefore,
            notAfter: request.notAfter)
        do {
            return try await issuer.place(order).following(request.identifiers)
        } catch let error as ACMEClientError where order.replaces != nil && Verdict.mayBeAboutReplaces(error) {
            // RFC 9773 §5: `replaces` is only a hint, do not fail because of it.
            order.replaces = nil
            return try await issuer.place(order).following(request.identifiers)
        } catch IssuanceError.profileNotOffered(let profile, _) where request.isProfileInherited {
            observer(.warning("the CA no longer has the profile \"\(TerminalText.safe(profile, limit: 100))\" and chooses another one"))
            order.profile = nil
            return try await issuer.place(order).following(request.identifiers)
        }
    }

    /// Detects names that no solver can prove, and unusable folders and programs, before the order is placed: each name must
    /// have a solver that can be used.
    /// - Throws: `IssuanceError`.
    public static func check(_ solvers: [any ChallengeSolver], for names: [Identifier]) throws {
        // For example a wildcard without a DNS hook: the CA would keep an order that no run can complete. No solver at
        // all means that the names are already validated.
        if !solvers.isEmpty, let identifier = names.first(where: { name in !solvers.contains { $0.canSolve(name) } }) {
            throw IssuanceError.noSolver(identifier, offered: nil)
        }
        let failures = solvers.map { solver -> (any Error)? in
            do {
                try solver.check()
                return nil
            } catch { return error }
        }
        for name in names {
            let own = solvers.indices.filter { solvers[$0].canSolve(name) }
            guard !own.isEmpty, own.allSatisfy({ failures[$0] != nil }), let failure = failures[own[0]] else { continue }
            throw failure
        }
    }

    /// Records an order that was just placed, and proves control of its names.
    func proven(
        _ order: IssuerOrder, _ request: IssuanceRequest, isNew: Bool, _ keeper: JournalKeeper
    ) async throws -> IssuerOrder {
        guard isNew else { return order.state == .pending ? try await proveControl(order, keeper) : order }
        // Only newOrder's answer has the URL, so it goes to disk at once. Requests that change nothing need not wait
        // for that.
        async let recorded: Void = keeper.record(
            .orderCreated(order.url, finalize: order.finalize, authorizations: order.authorizations))
        guard order.state == .pending else {
            try await recorded
            observer(.orderCreated(order.url, identifiers: request.identifiers))
            return order
        }
        issuer.prepare(forIdentifiers: order.authorizations.count)
        let authorizations = try await authorizations(of: order)
        try await recorded
        observer(.orderCreated(order.url, identifiers: request.identifiers))
        return try await proveControl(order, authorizations, keeper)
    }

    /// Takes an order from any state to an installed certificate (RFC 8555 §7.1.6).
    private func complete(
        _ placed: IssuerOrder, _ request: IssuanceRequest, _ key: ManagedKey, _ keeper: JournalKeeper, wasResumed: Bool
    ) async throws -> IssuanceOutcome {
        /// A CA may say "ready" and still refuse finalize as too early; after this many attempts it will not change.
        let maximumFinalizations = 5
        var order = placed
        var finalizations = 0
        // An order only moves forward (RFC 8555 §7.1.6). If it returns to an earlier state, the waits grow over all
        // rounds, up to one deadline: a CA that goes in circles is polled no more often, and no longer, than one that
        // does not move.
        let limit = limits.validation + limits.finalization
        var rounds = PollingSchedule(limit: limit, now: time.uptime())
        var seen: Set<IssuerOrder.State> = [.pending]
        while true {
            try Task.checkCancellation()
            if order.state == .pending || order.state == .processing, !seen.insert(order.state).inserted {
                guard case .wait(let duration, _) = rounds.next(retryAfter: order.retryAfter, now: time.uptime()) else {
                    throw IssuanceError.timedOut(waitingFor: "the certificate", after: limit)
                }
                try await pause(duration, reason: "for the certificate")
            }
            switch order.state {
            case .pending:
                order = try await proveControl(order, keeper)
            case .ready:
                finalizations += 1
                guard finalizations <= maximumFinalizations else {
                    throw IssuanceError.unexpectedAnswer("the CA says that the order is ready but refuses to finalize it")
                }
                if finalizations > 1 { try await pause(.milliseconds(250 * finalizations), reason: "the CA is not ready to finalize") }
                if await !keeper.journal.isFinalizing { try await keeper.record(.finalized) }
                let certificate = CertificateRequest(
                    key: key.name, identifiers: request.identifiers, mustStaple: request.mustStaple)
                do {
                    let answer = try await issuer.finalize(order, certificate)
                    await keeper.noteFinalizeSent()
                    order = try answer.following(order)
                } catch {
                    // Keep the key, whatever the CA answers here: it may have issued the certificate.
                    if !Verdict.isPolicyRefusal(error) { await keeper.noteFinalizeSent() }
                    throw error
                }
                observer(.finalized(order: order.url))
            case .processing:
                order = try await poll(
                    order, for: "the certificate", limit: limits.finalization,
                    firstStep: PollingSchedule.firstStep(behind: issuer.roundTrip)
                ) { $0.state != .processing }
            case .failed:
                throw try await failure(of: order)
            case .issued(let url):
                return try await install(url, order, request, key, keeper, wasResumed: wasResumed)
            }
        }
    }

    /// The order's current state.
    func look(at order: IssuerOrder) async throws -> IssuerOrder { try await issuer.order(at: order.url).following(order) }

    /// Polls the order until `isDone`.
    /// - Parameter inBetween: called after each poll that found it not done.
    func poll(
        _ order: IssuerOrder, for what: String, limit: Duration, firstStep: Duration = PollingSchedule.firstStep,
        inBetween: () async throws -> Void = {}, until isDone: (IssuerOrder) -> Bool
    ) async throws -> IssuerOrder {
        var schedule = PollingSchedule(limit: limit, now: time.uptime(), firstStep: firstStep)
        var order = order
        while true {
            switch schedule.next(retryAfter: order.retryAfter, now: time.uptime()) {
            case .giveUp:
                if let seconds = order.retryAfter, seconds > limit.components.seconds {
                    throw IssuanceError.askedToWait(seconds: seconds, reason: what)
                }
                throw IssuanceError.timedOut(waitingFor: what, after: limit)
            case .wait(let duration, let asked):
                if asked || duration >= .seconds(1) {
                    observer(.waiting(seconds: duration.inSeconds, reason: "for \(what)" + (asked ? ", as the CA asked" : "")))
                }
                try await time.sleep(for: duration)
            }
            order = try await look(at: order)
            if isDone(order) { return order }
            try await inBetween()
        }
    }

    func pause(_ duration: Duration, reason: String) async throws {
        observer(.waiting(seconds: duration.inSeconds, reason: reason))
        try await time.sleep(for: duration)
    }
}

extension Duration {
    /// Precise enough for people and JSON.
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
