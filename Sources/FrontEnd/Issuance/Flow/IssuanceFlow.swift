import ACME
import ACMEClient
import CertificateStore
import JOSE

/// Issues, renews and revokes certificates: an order from a CA, a key from the agent, a place in the store.
///
/// Each step is in the journal before it is taken, so that a run which is cut off anywhere is gone on with by the next one: with the
/// same key, the same order and, where the CA has made it already, the same certificate.
public struct IssuanceFlow: Sendable {
    /// Takes an installed certificate into use. Where it throws, the next run calls it again.
    public typealias DeployHook = @Sendable (StoredCertificate) async throws -> Void

    let issuer: any CertificateIssuer
    let store: any CertificateStore
    let keys: any KeyProvider
    let solvers: [any ChallengeSolver]
    let limits: IssuanceLimits
    let time: any Timekeeping
    let deploy: DeployHook?
    let observer: IssuanceObserver

    /// - Parameters:
    ///   - solvers: in the order of preference; the first that can solve what the CA offers is taken.
    ///   - deploy: called for each generation that is installed.
    public init(
        issuer: any CertificateIssuer, store: any CertificateStore, keys: any KeyProvider, solvers: [any ChallengeSolver],
        limits: IssuanceLimits = IssuanceLimits(), time: any Timekeeping = SystemTime(), deploy: DeployHook? = nil,
        observer: @escaping IssuanceObserver = { _ in }
    ) {
        self.issuer = issuer
        self.store = store
        self.keys = keys
        self.solvers = solvers
        self.limits = limits
        self.time = time
        self.deploy = deploy
        self.observer = observer
    }

    /// Gets a certificate, or goes on where an earlier run for the same one stopped.
    /// - Throws: `IssuanceError`, `ACMEClientError`, `StoreError` (`.locked` where another process is at it), what the key provider has
    ///   to say, `CancellationError`. Challenges are cleaned up in every case.
    public func issue(_ request: IssuanceRequest) async throws -> IssuanceOutcome {
        guard !request.identifiers.isEmpty else { throw IssuanceError.noIdentifiers }
        let lock = try await store.lock(request.name)
        defer { lock.release() }
        return try await issue(
            request, stored: try await store.certificate(named: request.name), earlier: try await store.journal(named: request.name))
    }

    /// Gets a certificate if it is still wanted once nobody else works on it: another run may have got it meanwhile.
    /// - Parameter isWanted: is asked under the certificate's lock what it says of what is there: certificate and
    ///   interrupted order.
    /// - Returns: `nil` where it is not wanted any more.
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
            if let outcome = try await finishInstalled(journal, stored, request) { return outcome }
            if isInstalled(journal, stored) { earlier = nil }
        }
        return try await run(request, stored: stored, earlier: earlier)
    }

    private func run(_ request: IssuanceRequest, stored: StoredCertificate?, earlier: OrderJournal?) async throws -> IssuanceOutcome {
        let plan: KeyPlan
        do { plan = try await planKey(request, stored: stored, earlier: earlier) } catch {
            if let earlier, Verdict.isFinal(error) { try? await JournalKeeper(store: store, journal: earlier).record(.failed) }
            throw error
        }
        var journal = OrderJournal(
            name: request.name, directory: issuer.directory, identifiers: request.identifiers, profile: request.profile,
            mustStaple: request.mustStaple,
            accountKey: issuer.accountKey, account: issuer.account, started: time.unixTime(),
            replacing: stored?.metadata.generation ?? 0, steps: plan.steps)
        var known: IssuerOrder?
        if let earlier, earlier.key == plan.name, isSameOrder(earlier, request) {
            journal = earlier
            journal.reopen()
            known = IssuerOrder(journal)
            observer(.resumed(request.name, order: known?.url, after: earlier.hasFailed ? .failure : .interruption))
        }
        let keeper = JournalKeeper(
            store: store, journal: journal, installed: stored, mayBeCertified: known != nil && journal.isFinalizing)
        // The intent of all that follows. Where it cannot be written nothing is made and nothing signed.
        try await keeper.write()
        do {
            return try await obtain(plan, request, known, keeper)
        } catch {
            // What is refused for good is not what was cut off: no timer tries it again.
            if Verdict.isFinal(error) { await giveUp(plan, keeper) }
            throw error
        }
    }

    /// The certificate by the order of an earlier run, or by a new one where that leads nowhere.
    private func obtain(
        _ plan: KeyPlan, _ request: IssuanceRequest, _ known: IssuerOrder?, _ keeper: JournalKeeper
    ) async throws -> IssuanceOutcome {
        var plan = plan
        if let known {
            do {
                let (key, order) = try await keyAndOrder(plan, request, known, keeper)
                return try await complete(order, request, key, keeper, wasResumed: true)
            } catch {
                // A certificate that may have been made is not given up for a CA that is down, until it has had a day
                // to come back.
                let age = await time.unixTime() - keeper.journal.started
                let mayBeCertified = await keeper.mayBeCertified && age < Self.dayOfOutage
                guard Verdict.isDeadEnd(error, mayBeCertified: mayBeCertified) else { throw error }
                try Task.checkCancellation()
                let reason = "\(error)".split(separator: "\n").map { $0.drop { $0 == " " } }.joined(separator: " ")
                observer(.warning("the order of the earlier run leads nowhere, a new one is made: \(reason)"))
                // It may have been made beside the order.
                plan.isKnownMissing = false
            }
        }
        let (key, order) = try await keyAndOrder(plan, request, nil, keeper)
        return try await complete(order, request, key, keeper, wasResumed: false)
    }

    /// How long a CA may be down before what it may have made is given up, in seconds.
    private static let dayOfOutage: Int64 = 86_400

    /// One of two things that are needed before a certificate can be asked for.
    private enum Preparation: Sendable {
        case key(Result<ManagedKey, any Error>)
        case order(Result<IssuerOrder, any Error>)
    }

    /// The key and an order whose names are proven. A key is made only for an order that the CA has taken, so that one which is refused leaves none
    /// behind. From there on, a token may take as long for a key as a CA for its challenges, and neither needs the other before finalize. Where
    /// one fails the other is given up.
    /// - Parameter known: the order of an earlier run; `nil` places a new one.
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
                    // A key in the making is waited for: it is taken back, or used for the next order. Cut off it might be left in the token.
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

    /// The order as the CA shows it now.
    private func begin(_ request: IssuanceRequest, _ known: IssuerOrder?) async throws -> IssuerOrder {
        guard let known else { return try await place(request) }
        let order = try await look(at: known)
        if order.state == .failed { throw IssuanceError.orderFailed(order.problem) }
        return order
    }

    private func isSameOrder(_ journal: OrderJournal, _ request: IssuanceRequest) -> Bool {
        // The account's key may have been changed meanwhile; its URL stays (RFC 8555 §7.3.5).
        let isSameAccount = journal.account.map { $0 == issuer.account } ?? (journal.accountKey == issuer.accountKey)
        return journal.directory == issuer.directory && isSameAccount && journal.profile == request.profile
            && journal.mustStaple == request.mustStaple && Set(journal.identifiers) == Set(request.identifiers)
    }

    /// Places an order.
    private func place(_ request: IssuanceRequest) async throws -> IssuerOrder {
        // A wildcard without a program for DNS, for example: the CA would only be left with an order that leads nowhere. Without any solver only
        // names are meant that are proven already.
        if !solvers.isEmpty, let identifier = request.identifiers.first(where: { name in !solvers.contains { $0.canSolve(name) } }) {
            throw IssuanceError.noSolver(identifier, offered: nil)
        }
        try checkSolvers()
        var order = NewOrder(
            identifiers: request.identifiers, profile: request.profile, replaces: request.replaces, notBefore: request.notBefore,
            notAfter: request.notAfter)
        do {
            return try await issuer.place(order).following(request.identifiers)
        } catch let error as ACMEClientError where error.problem?.kind == .alreadyReplaced && order.replaces != nil {
            // RFC 9773 §5: the hint is not worth a certificate.
            order.replaces = nil
            return try await issuer.place(order).following(request.identifiers)
        } catch IssuanceError.profileNotOffered(let profile, _) where request.isProfileInherited {
            observer(.warning("the CA has no profile \"\(TerminalText.safe(profile, limit: 100))\" any more; it chooses another one"))
            order.profile = nil
            return try await issuer.place(order).following(request.identifiers)
        }
    }

    /// A folder or a program that cannot be used would otherwise be found out when the order is there.
    private func checkSolvers() throws {
        var failure: (any Error)?
        for solver in solvers {
            do { return try solver.check() } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    /// Takes down an order that was placed a moment ago, and proves its names.
    private func proven(
        _ order: IssuerOrder, _ request: IssuanceRequest, isNew: Bool, _ keeper: JournalKeeper
    ) async throws -> IssuerOrder {
        guard isNew else { return order.state == .pending ? try await proveControl(order, keeper) : order }
        // Its URL comes only here, so it goes to the disk at once; a question that changes nothing need not wait for that.
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

    /// Takes an order from wherever it is to an installed certificate (RFC 8555 §7.1.6).
    private func complete(
        _ placed: IssuerOrder, _ request: IssuanceRequest, _ key: ManagedKey, _ keeper: JournalKeeper, wasResumed: Bool
    ) async throws -> IssuanceOutcome {
        /// A CA may say "ready" and refuse finalize as too early; after this many it is not meant well.
        let maximumFinalizations = 5
        var order = placed
        var finalizations = 0
        // An order only goes forward (RFC 8555 §7.1.6). One that comes back to a state is waited for in steps that grow
        // over all rounds, up to one deadline: a CA that leads in a circle is polled no more often, and no longer, than
        // one that stands still.
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
                    throw IssuanceError.unexpectedAnswer("the CA says that the order is ready, and refuses to finalize it")
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
                    // What the CA says here is no reason to give up the key: it may have made the certificate.
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

    /// The order as it is now.
    func look(at order: IssuerOrder) async throws -> IssuerOrder { try await issuer.order(at: order.url).following(order) }

    /// Asks for the order until it is as wanted.
    /// - Parameter inBetween: called after each look that did not find it so.
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
                    observer(.waiting(seconds: duration.inSeconds, reason: asked ? "the CA asks to wait for \(what)" : "for \(what)"))
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
    /// For people and JSON; exact enough for both.
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
