import ACME
import ACMEClient
import CertificateStore

/// A name that is to be proven, and how.
private struct Proof: Sendable {
    var authorization: IssuerAuthorization
    var challenge: Challenge
    var answer: ChallengeAnswer
    var solver: any ChallengeSolver
}

extension IssuanceFlow {
    /// How long a solver may watch for the CA to look before the CA is asked all the same: where it cannot reach us, it never will.
    static let longestWatch: Duration = .seconds(1)

    /// Between the looks of a CA that is busy.
    static let longestQuiet: Duration = .milliseconds(12)

    /// Proves all names of an order side by side, and returns the order when it is no longer pending.
    func proveControl(_ order: IssuerOrder, _ keeper: JournalKeeper) async throws -> IssuerOrder {
        issuer.prepare(forIdentifiers: order.authorizations.count)
        return try await proveControl(order, try await authorizations(of: order), keeper)
    }

    func proveControl(_ order: IssuerOrder, _ authorizations: [IssuerAuthorization], _ keeper: JournalKeeper) async throws -> IssuerOrder {
        let proofs = try chooseProofs(authorizations)
        guard !proofs.isEmpty else {
            // Everything was proven before: the order changes without our doing.
            return try await poll(order, for: "the CA to see that all names are proven", limit: limits.validation) { $0.state != .pending }
        }
        let inUse = distinctSolvers(proofs)
        do {
            for solver in inUse { try await solver.prepare() }
            try await keeper.record(proofs.map { .challengeSetUp($0.answer) })
            try await present(proofs)
            async let announced: Void = announceFinalize(keeper)
            var hasLooked = true
            let quiet = min(PollingSchedule.firstStep(behind: issuer.roundTrip), Self.longestQuiet)
            for solver in inUse {
                let own = proofs.filter { $0.solver.type == solver.type }.map(\.answer)
                hasLooked = await solver.waitForValidation(of: own, quiet: quiet, limit: Self.longestWatch) && hasLooked
            }
            try await announced
            try Task.checkCancellation()
            // Where the CA was seen to look, all that is left is its own bookkeeping.
            let firstStep: Duration = hasLooked ? .milliseconds(5) : PollingSchedule.firstStep
            var polled = order
            polled.retryAfter = nil
            polled = try await poll(polled, for: "the CA to prove the names", limit: limits.validation, firstStep: firstStep) {
                $0.state != .pending
            }
            await keeper.note(await cleanUp(proofs, inUse))
            if polled.state != .failed {
                for proof in proofs { observer(.validated(proof.authorization.identifier)) }
            }
            return polled
        } catch {
            let cleaned = await cleanUp(proofs, inUse)
            // In a task of its own: a cancelled one may be refused the write.
            await Task { try? await keeper.record(cleaned) }.value
            throw error
        }
    }

    /// The intent to finalize, and what the store can do before it has a certificate: on the disk before finalize is sent, and while nobody else
    /// waits for the disk. Behind finalize the agent's own record of it would have to.
    private func announceFinalize(_ keeper: JournalKeeper) async throws {
        try await keeper.record(.finalized)
        await store.prepare(keeper.journal.name)
    }

    /// Everything that stands in the way of an order, fetched side by side.
    func authorizations(of order: IssuerOrder) async throws -> [IssuerAuthorization] {
        try await withThrowingTaskGroup(of: (Int, IssuerAuthorization).self) { group in
            for (index, url) in order.authorizations.enumerated() {
                group.addTask { (index, try await issuer.authorization(at: url)) }
            }
            var found: [(Int, IssuerAuthorization)] = []
            for try await entry in group { found.append(entry) }
            return found.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func chooseProofs(_ authorizations: [IssuerAuthorization]) throws -> [Proof] {
        var proofs: [Proof] = []
        var failures: [IssuanceError.FailedIdentifier] = []
        for authorization in authorizations {
            switch authorization.state {
            case .proven: observer(.authorizationReused(authorization.identifier))
            case .failed: failures.append(.init(identifier: authorization.identifier, problem: authorization.problem))
            case .pending:
                observer(.authorizationPending(authorization.identifier))
                proofs.append(try chooseProof(authorization))
            }
        }
        guard failures.isEmpty else { throw report(failures) }
        return proofs
    }

    private func chooseProof(_ authorization: IssuerAuthorization) throws -> Proof {
        for solver in solvers where solver.canSolve(authorization.identifier) {
            guard let challenge = authorization.challenges.first(where: { $0.kind == solver.type }),
                let keyAuthorization = issuer.keyAuthorization(of: challenge)
            else { continue }
            let answer = ChallengeAnswer(
                type: solver.type, identifier: authorization.identifier, keyAuthorization: keyAuthorization,
                target: solver.target(of: authorization.identifier, keyAuthorization))
            return Proof(authorization: authorization, challenge: challenge, answer: answer, solver: solver)
        }
        throw IssuanceError.noSolver(authorization.identifier, offered: authorization.challenges.map(\.type))
    }

    /// The solvers that have something to do, each once. There is one of a type at most: see `chooseProof`.
    private func distinctSolvers(_ proofs: [Proof]) -> [any ChallengeSolver] {
        var types: Set<ChallengeType> = []
        return proofs.compactMap { types.insert($0.solver.type).inserted ? $0.solver : nil }
    }

    private func present(_ proofs: [Proof]) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for proof in proofs {
                group.addTask {
                    let identifier = proof.authorization.identifier
                    try await proof.solver.present(proof.answer)
                    observer(.challengePresented(identifier, proof.answer.type, target: proof.answer.target))
                    try await proof.solver.waitUntilVisible(proof.answer)
                    // RFC 8555 §8.2: a CA that is looking already does so again on its own.
                    if proof.challenge.status != .processing { try await issuer.validate(proof.challenge) }
                    observer(.challengeAnswered(identifier, proof.answer.type))
                }
            }
            try await group.waitForAll()
        }
    }

    /// Takes everything away that was or may have been presented, also where this task is cancelled.
    /// - Returns: journal steps for what is gone.
    private func cleanUp(_ proofs: [Proof], _ solvers: [any ChallengeSolver]) async -> [JournalStep] {
        // A task of its own does not inherit the cancellation.
        await Task {
            let steps = await withTaskGroup(of: JournalStep?.self) { group in
                for proof in proofs {
                    group.addTask { await cleanUp(proof.answer, by: proof.solver) ? .challengeCleanedUp(proof.answer) : nil }
                }
                var steps: [JournalStep] = []
                for await step in group { if let step { steps.append(step) } }
                return steps
            }
            for solver in solvers { await solver.finish() }
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

    /// Takes away what an interrupted run had presented.
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

    /// Why an order failed: each name's own reason where there is one (RFC 8555 §7.5.1), the order's otherwise.
    func failure(of order: IssuerOrder) async throws -> IssuanceError {
        let failures = try await authorizations(of: order).filter { $0.state == .failed }
            .map { IssuanceError.FailedIdentifier(identifier: $0.identifier, problem: $0.problem) }
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
