import ACME
import CertificateStore

/// A solver for some names only.
public struct ScopedSolver: ChallengeSolver {
    private let base: any ChallengeSolver
    private let covers: @Sendable (Identifier) -> Bool

    public init(_ base: any ChallengeSolver, for covers: @escaping @Sendable (Identifier) -> Bool) {
        self.base = base
        self.covers = covers
    }

    public var type: ChallengeType { base.type }
    public func canSolve(_ identifier: Identifier) -> Bool { covers(identifier) && base.canSolve(identifier) }
    public var seesItself: Bool { base.seesItself }
    public func check() throws { try base.check() }
    public func prepare() async throws { try await base.prepare() }
    public func announce(_ answers: [ChallengeAnswer]) async { await base.announce(answers) }
    public func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String {
        base.target(of: identifier, keyAuthorization)
    }
    public func locate(_ answer: ChallengeAnswer) async -> String? { await base.locate(answer) }
    public func present(_ answer: ChallengeAnswer) async throws { try await base.present(answer) }
    public func confirm(_ record: DNSPersistRecord.Expectation, for identifier: Identifier) async throws {
        try await base.confirm(record, for: identifier)
    }
    public func waitUntilVisible(_ answer: ChallengeAnswer) async throws { try await base.waitUntilVisible(answer) }
    public func waitForValidation(of answers: [ChallengeAnswer], quiet: Duration, limit: Duration) async -> Bool {
        await base.waitForValidation(of: answers, quiet: quiet, limit: limit)
    }
    public func cleanUp(_ answer: ChallengeAnswer) async throws { try await base.cleanUp(answer) }
    public func finish() async { await base.finish() }
}
