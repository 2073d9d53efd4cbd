import ACME
import ACMEClient
import CertificateStore

/// A name to be validated, and how.
struct Proof: Sendable {
    var authorization: IssuerAuthorization
    var challenge: Challenge
    var answer: ChallengeAnswer
    /// For dns-persist-01: what is there already, so that nothing is presented or removed.
    var record: DNSPersistRecord.Expectation?
    /// Its place among the flow's solvers.
    var solverIndex: Int
    var solver: any ChallengeSolver

    var identifier: Identifier { authorization.identifier }

    /// This proof's challenge in a later answer.
    func challenge(in authorization: IssuerAuthorization) -> Challenge? {
        authorization.challenges.first { $0.url == challenge.url } ?? authorization.challenges.first { $0.kind == solver.type }
    }
}

extension IssuanceFlow {
    /// How long a solver may watch for the CA's requests before the order is polled anyway: a CA that cannot reach us
    /// never sends any.
    static let longestWatch: Duration = .seconds(1)

    /// The longest pause between the validation requests of a busy CA.
    static let longestQuiet: Duration = .milliseconds(12)

    /// Proves control of all names of an order concurrently, and returns the order once it is no longer pending.
    func proveControl(_ order: IssuerOrder, _ keeper: JournalKeeper) async throws -> IssuerOrder {
        issuer.prepare(forIdentifiers: order.authorizations.count)
        return try await proveControl(order, try await authorizations(of: order), keeper)
    }

    func proveControl(_ order: IssuerOrder, _ authorizations: [IssuerAuthorization], _ keeper: JournalKeeper) async throws -> IssuerOrder {
        var proofs = try await chooseProofs(authorizations)
        guard !proofs.isEmpty else {
            // Everything is already validated: the order becomes ready by itself.
            return try await poll(order, for: "the CA to mark the order as ready", limit: limits.validation) { $0.state != .pending }
        }
        let inUse = distinctSolvers(proofs)
        do {
            for (index, solver) in inUse {
                try await solver.prepare()
                await solver.announce(proofs.filter { $0.solverIndex == index }.map(\.answer))
            }
            let places = try await sideBySide(proofs) { $0.record == nil ? await $0.solver.locate($0.answer) : nil }
            for (index, place) in zip(proofs.indices, places) { proofs[index].answer.place = place }
            let presented = proofs.filter { $0.record == nil }
            if !presented.isEmpty { try await keeper.record(presented.map { .challengeSetUp($0.answer) }) }
            var watch = ProofWatch(proofs, since: time.uptime())
            try await present(proofs, &watch)
            async let announced: Void = announceFinalize(keeper)
            var hasLooked = true
            let quiet = min(PollingSchedule.firstStep(behind: issuer.roundTrip), Self.longestQuiet)
            for (index, solver) in inUse {
                let own = proofs.filter { $0.solverIndex == index }.map(\.answer)
                hasLooked = await solver.waitForValidation(of: own, quiet: quiet, limit: Self.longestWatch) && hasLooked
            }
            try await announced
            try Task.checkCancellation()
            // Once the CA has fetched the answers, only its own bookkeeping is left.
            let firstStep: Duration = hasLooked ? .milliseconds(5) : PollingSchedule.firstStep
            var polled = order
            polled.retryAfter = nil
            do {
                polled = try await poll(
                    polled, for: "the CA to validate the names", limit: limits.validation, firstStep: firstStep,
                    inBetween: { try await examine(&watch) }, until: { $0.state != .pending })
            } catch IssuanceError.timedOut(let what, let after, _) {
                throw IssuanceError.timedOut(waitingFor: what, after: after, problems: watch.problems)
            }
            await keeper.note(await cleanUp(proofs, inUse))
            if polled.state != .failed {
                for proof in proofs { observer(.validated(proof.identifier)) }
            }
            return polled
        } catch {
            let cleaned = await cleanUp(proofs, inUse)
            // In a separate task: in a cancelled one the write may be refused.
            await Task { try? await keeper.record(cleaned) }.value
            throw error
        }
    }

    /// Writes the intent to finalize, and lets the store prepare, while the CA validates and nothing else waits for the
    /// disk. During finalize the agent's audit record would have to wait for the disk.
    private func announceFinalize(_ keeper: JournalKeeper) async throws {
        try await keeper.record(.finalized)
        await store.prepare(keeper.journal.name)
    }

    /// An order's authorizations, fetched concurrently.
    /// - Throws: `IssuanceError.unexpectedAnswer` if the CA wants proof of a name that was not ordered.
    func authorizations(of order: IssuerOrder) async throws -> [IssuerAuthorization] {
        let authorizations = try await sideBySide(order.authorizations) { try await issuer.authorization(at: $0) }
        guard let identifiers = order.identifiers else { return authorizations }
        return try authorizations.map { try $0.named(among: identifiers) }
    }

    /// Runs `body` for all elements concurrently; the results are in the elements' order.
    private func sideBySide<Element: Sendable, Result: Sendable>(
        _ elements: [Element], _ body: @escaping @Sendable (Element) async throws -> Result
    ) async throws -> [Result] {
        try await withThrowingTaskGroup(of: (Int, Result).self) { group in
            for (index, element) in elements.enumerated() {
                group.addTask { (index, try await body(element)) }
            }
            var found: [(Int, Result)] = []
            for try await entry in group { found.append(entry) }
            return found.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func chooseProofs(_ authorizations: [IssuerAuthorization]) async throws -> [Proof] {
        var proofs: [Proof] = []
        var failures: [IssuanceError.FailedIdentifier] = []
        for authorization in authorizations {
            switch authorization.state {
            case .proven: observer(.authorizationReused(authorization.identifier))
            case .failed: failures.append(.init(authorization))
            case .pending:
                if let proof = try await chooseProof(authorization) {
                    observer(.authorizationPending(authorization.identifier))
                    proofs.append(proof)
                } else if let failed = authorization.challenges.first(where: { $0.status == .invalid }) {
                    // Some CAs leave the authorization pending after its challenge has failed.
                    failures.append(.init(identifier: authorization.identifier, problem: failed.error, challenge: failed.kind))
                } else {
                    throw IssuanceError.noSolver(authorization.identifier, offered: authorization.challenges.map(\.type))
                }
            }
        }
        guard failures.isEmpty else { throw report(failures) }
        return proofs
    }

    private func chooseProof(_ authorization: IssuerAuthorization) async throws -> Proof? {
        for (index, solver) in solvers.enumerated() where solver.canSolve(authorization.identifier) {
            guard let challenge = authorization.challenges.first(where: { $0.kind == solver.type && $0.status != .invalid }) else {
                continue
            }
            let record = try await issuer.persistRecord(for: challenge)
            guard let keyAuthorization = issuer.keyAuthorization(of: challenge) ?? record.map({ $0.placeholder }) else { continue }
            let answer = ChallengeAnswer(
                type: solver.type, identifier: authorization.identifier, keyAuthorization: keyAuthorization,
                target: solver.target(of: authorization.identifier, keyAuthorization))
            return Proof(
                authorization: authorization, challenge: challenge, answer: answer, record: record, solverIndex: index, solver: solver)
        }
        return nil
    }

    /// The solvers in use, each once, by their places.
    private func distinctSolvers(_ proofs: [Proof]) -> [(index: Int, solver: any ChallengeSolver)] {
        Set(proofs.map(\.solverIndex)).sorted().map { ($0, solvers[$0]) }
    }

    /// Presents all answers and tells the CA that they are ready. Its answer may already be a failure.
    private func present(_ proofs: [Proof], _ watch: inout ProofWatch) async throws {
        let answered = try await sideBySide(proofs) { proof in
            if let record = proof.record {
                try await proof.solver.confirm(record, for: proof.identifier)
                return try await respond(to: proof)
            }
            try await proof.solver.present(proof.answer)
            observer(.challengePresented(proof.identifier, proof.answer.type, target: proof.answer.target))
            try await proof.solver.waitUntilVisible(proof.answer)
            return try await respond(to: proof)
        }
        var hasFailed = false
        for (proof, challenge) in zip(proofs, answered) {
            guard let challenge else { continue }
            take(challenge, of: proof, &watch)
            hasFailed = hasFailed || challenge.status == .invalid
        }
        // A failed challenge ends the order; fetch the others once, to report all that failed.
        if hasFailed { try await examine(&watch, isDue: true) }
    }

    /// Tells the CA that the challenge is ready, even if an earlier run did: that requests another attempt (RFC 8555
    /// §8.2).
    private func respond(to proof: Proof) async throws -> Challenge? {
        do {
            let challenge = try await issuer.validate(proof.challenge)
            observer(.challengeAnswered(proof.identifier, proof.answer.type))
            return challenge
        } catch let error as ACMEClientError where proof.challenge.status == .processing && Verdict.isFinal(error) {
            // It is already validating and refuses a second response.
            return nil
        }
    }

    /// Records what the CA says about a challenge, and reports it once.
    private func take(_ challenge: Challenge, of proof: Proof, _ watch: inout ProofWatch) {
        if challenge.status == .invalid {
            watch.fail(proof, challenge.error)
        } else if let problem = challenge.error, watch.note(problem, of: proof) {
            observer(.challengeProblem(proof.identifier, problem))
        }
    }

    /// Checks the authorizations of an order that stays pending: some CAs leave it so after a challenge has failed.
    /// - Throws: `IssuanceError.notProven` if one has failed.
    private func examine(_ watch: inout ProofWatch, isDue: Bool = false) async throws {
        guard isDue || watch.isDue(time.uptime()) else { return }
        let open = watch.open
        let answers = try await sideBySide(open) { proof -> IssuerAuthorization? in
            do { return try await issuer.authorization(at: proof.authorization.url) } catch is ACMEClientError {
                // The order decides; this request only looks for the reason.
                return nil
            }
        }
        for (proof, authorization) in zip(open, answers) {
            guard let authorization else { continue }
            switch authorization.state {
            case .proven: watch.close(proof)
            case .failed: watch.fail(proof, authorization.problem)
            case .pending:
                if let challenge = proof.challenge(in: authorization) { take(challenge, of: proof, &watch) }
            }
        }
        watch.hasLooked(time.uptime())
        guard watch.failures.isEmpty else { throw report(watch.failures) }
    }

    /// Removes everything that was or may have been presented, even if this task is cancelled.
    /// - Returns: journal steps for what was removed.
    private func cleanUp(_ proofs: [Proof], _ solvers: [(index: Int, solver: any ChallengeSolver)]) async -> [JournalStep] {
        // A separate task does not inherit the cancellation.
        await Task {
            let steps = await withTaskGroup(of: JournalStep?.self) { group in
                for proof in proofs where proof.record == nil {
                    group.addTask { await cleanUp(proof.answer, by: proof.solver) ? .challengeCleanedUp(proof.answer) : nil }
                }
                var steps: [JournalStep] = []
                for await step in group { if let step { steps.append(step) } }
                return steps
            }
            for (_, solver) in solvers { await solver.finish() }
            return steps
        }.value
    }

    private func cleanUp(_ answer: ChallengeAnswer, by solver: any ChallengeSolver) async -> Bool {
        do {
            try await solver.cleanUp(answer)
            return true
        } catch {
            observer(.cleanUpFailed(answer.identifier, target: answer.target, reason: "\(error)"))
            return false
        }
    }

    /// Removes what an interrupted run presented.
    func cleanUpLeftovers(of journal: OrderJournal) async -> OrderJournal {
        var journal = journal
        for answer in journal.challengesToCleanUp {
            guard let solver = solvers.first(where: { $0.type == answer.type && $0.canSolve(answer.identifier) }) else {
                observer(
                    .cleanUpFailed(
                        answer.identifier, target: answer.target, reason: "\(answer.type.rawValue) is not configured in this run"))
                continue
            }
            if await cleanUp(answer, by: solver) { journal.append(.challengeCleanedUp(answer)) }
        }
        return journal
    }

    /// Why an order failed: each name's own reason if there is one (RFC 8555 §7.5.1), otherwise the order's.
    func failure(of order: IssuerOrder) async throws -> IssuanceError {
        let authorizations: [IssuerAuthorization]
        do { authorizations = try await self.authorizations(of: order) } catch  where Verdict.isFinal(error) {
            // The order's own reason is better than none.
            authorizations = []
        }
        let failures = authorizations.filter { $0.hasFailed }.map { IssuanceError.FailedIdentifier($0) }
        guard failures.isEmpty else { return report(failures) }
        for subproblem in order.problem?.subproblems ?? [] {
            if let identifier = subproblem.identifier { observer(.failed(identifier, subproblem)) }
        }
        return .orderFailed(order.problem)
    }

    private func report(_ failures: [IssuanceError.FailedIdentifier]) -> IssuanceError {
        for failure in failures { observer(.failed(failure.identifier, failure.problem)) }
        return .notProven(failures)
    }
}

extension IssuanceError.FailedIdentifier {
    /// A failed authorization, with the challenge that failed in it.
    fileprivate init(_ authorization: IssuerAuthorization) {
        self.init(
            identifier: authorization.identifier, problem: authorization.problem,
            challenge: authorization.challenges.first { $0.status == .invalid }?.kind)
    }
}

extension DNSPersistRecord.Expectation {
    /// dns-persist-01 has no token, and nothing is made of this.
    fileprivate var placeholder: KeyAuthorization { KeyAuthorization(token: "", thumbprint: thumbprint) }
}
