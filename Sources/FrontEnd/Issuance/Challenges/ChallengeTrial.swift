import ACME
import CertificateStore
import DNS

/// Tries a way to answer challenges without a CA: presents a made-up answer, looks for it where a CA would, and removes
/// it.
public struct ChallengeTrial: Sendable {
    /// What came of it.
    public enum Outcome: Hashable, Sendable {
        /// With where it was seen.
        case seen(String)
        /// What a CA would get instead.
        case notSeen(reason: String, hint: String?)
        /// It could not be presented.
        case failed(reason: String, hint: String?)
    }

    /// One way and one name.
    public struct Finding: Hashable, Sendable {
        public var identifier: Identifier
        public var type: ChallengeType
        /// Where the answer was put.
        public var target: String
        public var outcome: Outcome
        /// Why it could not be removed again.
        public var leftover: String?

        public var isGood: Bool {
            if case .seen = outcome { return leftover == nil }
            return false
        }
    }

    private let solver: any ChallengeSolver
    private let view: ChallengeView

    public init(_ solver: any ChallengeSolver, view: ChallengeView = ChallengeView()) {
        self.solver = solver
        self.view = view
    }

    /// - Throws: `CancellationError`; the answer is removed before.
    public func run(_ identifier: Identifier) async throws -> Finding {
        let keyAuthorization = KeyAuthorization(token: Self.random(), thumbprint: Self.random())
        let answer = ChallengeAnswer(
            type: solver.type, identifier: identifier, keyAuthorization: keyAuthorization,
            target: solver.target(of: identifier, keyAuthorization))
        var finding = Finding(identifier: identifier, type: solver.type, target: answer.target, outcome: .seen(""))
        do {
            try solver.check()
            try await solver.prepare()
            await solver.announce([answer])
            finding.leftover = try await present(answer, &finding)
        } catch {
            await solver.finish()
            try Task.checkCancellation()
            finding.outcome = Self.failure(error)
            return finding
        }
        await solver.finish()
        try Task.checkCancellation()
        return finding
    }

    /// - Returns: why the answer could not be removed.
    private func present(_ answer: ChallengeAnswer, _ finding: inout Finding) async throws -> String? {
        do {
            try await solver.present(answer)
            try await solver.waitUntilVisible(answer)
            finding.outcome =
                solver.seesItself ? .seen("every server of the zone") : try await view.look(at: answer)
        } catch { finding.outcome = Self.failure(error) }
        // In a separate task: a cancelled one starts no program.
        return await Task { [solver] () async -> String? in
            do {
                try await solver.cleanUp(answer)
                return nil
            } catch { return Self.reason(of: error) }
        }.value
    }

    private static func failure(_ error: any Error) -> Outcome {
        .failed(reason: reason(of: error), hint: (error as? IssuanceError)?.hint)
    }

    /// Without the name, which stands beside it.
    static func reason(of error: any Error) -> String {
        switch error as? IssuanceError {
        case .solver(_, let reason, _)?: reason
        case .busy(let reason, _)?: reason
        default: "\(error)"
        }
    }

    /// Like a CA's token and an account's thumbprint; no answer of an order looks the same.
    private static func random() -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        return String((0..<43).compactMap { _ in letters.randomElement() })
    }
}
