import ACME
import Issuance

/// Challenges with their times.
struct TimedSolver: ChallengeSolver {
    let base: any ChallengeSolver
    let timings: Timings

    var type: ChallengeType { base.type }
    func canSolve(_ identifier: Identifier) -> Bool { base.canSolve(identifier) }
    func target(of challenge: SolvableChallenge) -> String { base.target(of: challenge) }
    func prepare() async throws { try await timings.measure(.challenge, "prepare") { try await base.prepare() } }
    func present(_ challenge: SolvableChallenge) async throws {
        try await timings.measure(.challenge, "present") { try await base.present(challenge) }
    }
    func waitUntilVisible(_ challenge: SolvableChallenge) async throws {
        try await timings.measure(.challenge, "wait until visible") { try await base.waitUntilVisible(challenge) }
    }
    func waitForValidation(of challenges: [SolvableChallenge], quiet: Duration, limit: Duration) async -> Bool {
        await timings.measure(.challenge, "wait for the CA to look") {
            await base.waitForValidation(of: challenges, quiet: quiet, limit: limit)
        }
    }
    func cleanUp(_ challenge: PresentedChallenge) async throws {
        try await timings.measure(.challenge, "clean up") { try await base.cleanUp(challenge) }
    }
    func finish() async { await base.finish() }
}
