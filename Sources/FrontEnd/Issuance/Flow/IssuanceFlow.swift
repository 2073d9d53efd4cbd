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
        let stored = try await store.certificate(named: request.name)
        var earlier = try await store.journal(named: request.name)
        if let journal = earlier {
            earlier = await cleanUpLeftovers(of: journal)
            if let outcome = try await finishInstalled(journal, stored, request) { return outcome }
            if isInstalled(journal, stored) { earlier = nil }
        }
        return try await run(request, stored: stored, earlier: earlier)
    }

    private func run(_ request: IssuanceRequest, stored: StoredCertificate?, earlier: OrderJournal?) async throws -> IssuanceOutcome {
        let plan = try await planKey(request, stored: stored, earlier: earlier)
        var journal = OrderJournal(
            name: request.name, directory: issuer.directory, identifiers: request.identifiers, profile: request.profile,
            accountKey: issuer.accountKey, started: time.unixTime(), steps: plan.steps)
        var resumable: ACMEURL?
        if let earlier, earlier.key == plan.name, isSameOrder(earlier, request) {
            journal = earlier
            resumable = earlier.order
            observer(.resumed(request.name, order: resumable))
        }
        let keeper = JournalKeeper(store: store, journal: journal)
        // The intent of all that follows. Where it cannot be written nothing is made and nothing signed.
        try await keeper.write()
        // Behind finalize there may be a certificate for the key: then both are kept, whatever is refused.
        let mayBeGivenUp = !(resumable != nil && journal.isFinalizing)
        do {
            let (key, order) = try await keyAndOrder(plan, request, resumable: resumable, keeper)
            let wasResumed = resumable != nil
            do {
                return try await complete(order, request, key, keeper, wasResumed: wasResumed)
            } catch let error as StoreError where error.reason == .chainRefused && order.url == resumable {
                // The order was finalized for another key or is too old. Its certificate is of no use, which is no reason to have none.
                observer(.warning("the order of the earlier run is given up: \(error.message)"))
                return try await complete(try await newOrder(request, keeper), request, key, keeper, wasResumed: wasResumed)
            }
        } catch let refusal as OrderRefusal {
            if mayBeGivenUp { await giveUp(plan, keeper) }
            throw refusal.cause
        }
    }

    /// Somebody whose word is final does not allow the order.
    private struct OrderRefusal: Error {
        var cause: any Error

        /// - Returns: `nil` for an error that another try may not end with.
        init?(_ error: any Error) {
            if let error = error as? any PolicyRefusal, error.isPolicyRefusal {
                cause = error
                return
            }
            if case .noSolver(_, nil)? = error as? IssuanceError {
                cause = error
                return
            }
            switch (error as? ACMEClientError)?.problem?.kind {
            case .rejectedIdentifier, .unsupportedIdentifier, .invalidProfile: cause = error
            default: return nil
            }
        }
    }

    /// Does what may be refused before the CA has the certificate request.
    private func refusable<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        do { return try await body() } catch { throw OrderRefusal(error) ?? error }
    }

    /// One of two things that are needed before a certificate can be asked for.
    private enum Preparation: Sendable {
        case key(ManagedKey)
        case order(IssuerOrder)
    }

    /// The key and an order whose names are proven. A key is made only for an order that the CA has taken, so that one which is refused leaves none
    /// behind. From there on, a token may take as long for a key as a CA for its challenges, and neither needs the other before finalize. Where
    /// one fails the other is given up.
    private func keyAndOrder(
        _ plan: KeyPlan, _ request: IssuanceRequest, resumable: ACMEURL?, _ keeper: JournalKeeper
    ) async throws -> (ManagedKey, IssuerOrder) {
        try await refusable {
            var mayCreate = false
            if plan.isKnownMissing { mayCreate = await keys.mayCreateKey(named: plan.name) }
            guard mayCreate else {
                let key = try await obtainKey(plan, request, keeper)
                return (key, try await provenOrder(request, resumable: resumable, keeper))
            }
            if let url = resumable, let order = try await orderOfEarlierRun(url) {
                return try await sideBySide(plan, request, keeper) { try await provenOrder(order, keeper) }
            }
            let placed = try await place(request)
            return try await sideBySide(plan, request, keeper) { try await provenOrder(placed: placed, request, keeper) }
        }
    }

    private func sideBySide(
        _ plan: KeyPlan, _ request: IssuanceRequest, _ keeper: JournalKeeper, _ order: @escaping @Sendable () async throws -> IssuerOrder
    ) async throws -> (ManagedKey, IssuerOrder) {
        try await withThrowingTaskGroup(of: Preparation.self) { group in
            group.addTask { .order(try await order()) }
            group.addTask { .key(try await obtainKey(plan, request, keeper)) }
            var key: ManagedKey?, order: IssuerOrder?
            while let preparation = try await group.next() {
                switch preparation {
                case .key(let made): key = made
                case .order(let proven): order = proven
                }
            }
            guard let key, let order else { throw CancellationError() }
            return (key, order)
        }
    }

    /// The order of an earlier run, or a new one where that leads nowhere.
    private func provenOrder(_ request: IssuanceRequest, resumable: ACMEURL?, _ keeper: JournalKeeper) async throws -> IssuerOrder {
        if let url = resumable, let order = try await orderOfEarlierRun(url) { return try await provenOrder(order, keeper) }
        return try await newOrder(request, keeper)
    }

    private func provenOrder(_ order: IssuerOrder, _ keeper: JournalKeeper) async throws -> IssuerOrder {
        order.state == .pending ? try await proveControl(order, keeper) : order
    }

    /// `nil` where a new order is needed.
    private func orderOfEarlierRun(_ url: ACMEURL) async throws -> IssuerOrder? {
        do {
            let order = try await issuer.order(at: url)
            return order.state == .failed ? nil : order
        } catch IssuanceError.orderGone {
            return nil
        }
    }

    private func isSameOrder(_ journal: OrderJournal, _ request: IssuanceRequest) -> Bool {
        journal.directory == issuer.directory && journal.accountKey == issuer.accountKey && journal.profile == request.profile
            && Set(journal.identifiers) == Set(request.identifiers)
    }

    /// Places an order and proves its names.
    private func newOrder(_ request: IssuanceRequest, _ keeper: JournalKeeper) async throws -> IssuerOrder {
        try await provenOrder(placed: try await place(request), request, keeper)
    }

    private func place(_ request: IssuanceRequest) async throws -> IssuerOrder {
        // A wildcard without a program for DNS, for example: the CA would only be left with an order that leads nowhere. Without any solver only
        // names are meant that are proven already.
        if !solvers.isEmpty, let identifier = request.identifiers.first(where: { name in !solvers.contains { $0.canSolve(name) } }) {
            throw IssuanceError.noSolver(identifier, offered: nil)
        }
        var order = NewOrder(
            identifiers: request.identifiers, profile: request.profile, replaces: request.replaces, notBefore: request.notBefore,
            notAfter: request.notAfter)
        do {
            return try await issuer.place(order)
        } catch let error as ACMEClientError where error.problem?.kind == .alreadyReplaced && order.replaces != nil {
            // RFC 9773 §5: the hint is not worth a certificate.
            order.replaces = nil
            return try await issuer.place(order)
        }
    }

    /// Takes down an order that was placed a moment ago, and proves its names.
    private func provenOrder(placed: IssuerOrder, _ request: IssuanceRequest, _ keeper: JournalKeeper) async throws -> IssuerOrder {
        // Its URL comes only here, so it goes to the disk at once; a question that changes nothing need not wait for that.
        async let recorded: Void = keeper.record(.orderCreated(placed.url))
        guard placed.state == .pending else {
            try await recorded
            observer(.orderCreated(placed.url, identifiers: request.identifiers))
            return placed
        }
        issuer.prepare(forIdentifiers: placed.authorizations.count)
        let authorizations = try await authorizations(of: placed)
        try await recorded
        observer(.orderCreated(placed.url, identifiers: request.identifiers))
        return try await proveControl(placed, authorizations, keeper)
    }

    /// Takes an order from wherever it is to an installed certificate (RFC 8555 §7.1.6).
    private func complete(
        _ placed: IssuerOrder, _ request: IssuanceRequest, _ key: ManagedKey, _ keeper: JournalKeeper, wasResumed: Bool
    ) async throws -> IssuanceOutcome {
        /// A CA may say "ready" and refuse finalize as too early; after this many it is not meant well.
        let maximumFinalizations = 5
        var order = placed
        var finalizations = 0
        while true {
            try Task.checkCancellation()
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
                // What the CA says here is no reason to give up the key: it may have made the certificate.
                do { order = try await issuer.finalize(order, certificate) } catch let error as any PolicyRefusal {
                    throw OrderRefusal(error) ?? error
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

    /// Asks for the order until it is as wanted.
    func poll(
        _ order: IssuerOrder, for what: String, limit: Duration, firstStep: Duration = PollingSchedule.firstStep,
        until isDone: (IssuerOrder) -> Bool
    ) async throws -> IssuerOrder {
        var schedule = PollingSchedule(deadline: time.uptime() + limit, firstStep: firstStep)
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
            order = try await issuer.order(at: order.url)
            if isDone(order) { return order }
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
