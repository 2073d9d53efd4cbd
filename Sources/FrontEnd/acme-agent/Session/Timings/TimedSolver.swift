import ACME
import CertificateStore
import Issuance

/// Times the challenges.
struct TimedSolver: ChallengeSolver {
    let base: any ChallengeSolver
    let timings: Timings

    var type: ChallengeType { base.type }
    func canSolve(_ identifier: Identifier) -> Bool { base.canSolve(identifier) }
    func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String { base.target(of: identifier, keyAuthorization) }
    var seesItself: Bool { base.seesItself }
    func check() throws { try base.check() }
    func prepare() async throws { try await timings.measure(.challenge, "prepare") { try await base.prepare() } }
    func announce(_ answers: [ChallengeAnswer]) async { await base.announce(answers) }
    func locate(_ answer: ChallengeAnswer) async -> String? {
        await timings.measure(.challenge, "locate") { await base.locate(answer) }
    }
    func present(_ answer: ChallengeAnswer) async throws {
        try await timings.measure(.challenge, "present") { try await base.present(answer) }
    }
    func confirm(_ record: DNSPersistRecord.Expectation, for identifier: Identifier) async throws {
        try await timings.measure(.challenge, "look for the record") { try await base.confirm(record, for: identifier) }
    }
    func waitUntilVisible(_ answer: ChallengeAnswer) async throws {
        try await timings.measure(.challenge, "wait until visible") { try await base.waitUntilVisible(answer) }
    }
    func waitForValidation(of answers: [ChallengeAnswer], quiet: Duration, limit: Duration) async -> Bool {
        await timings.measure(.challenge, "wait for the CA to look") {
            await base.waitForValidation(of: answers, quiet: quiet, limit: limit)
        }
    }
    func cleanUp(_ answer: ChallengeAnswer) async throws {
        try await timings.measure(.challenge, "clean up") { try await base.cleanUp(answer) }
    }
    func finish() async { await base.finish() }
}
