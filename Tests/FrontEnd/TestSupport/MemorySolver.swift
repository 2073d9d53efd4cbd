import ACME
import CertificateStore
import Issuance
import Synchronization

/// Presents challenges in memory to a `FakeCA`. For tests only.
public final class MemorySolver: ChallengeSolver {
    public let type: ChallengeType
    private let answers = Mutex<[String: String]>([:])
    private let counts = Mutex<(presented: Int, cleaned: Int)>((0, 0))
    private let atOnce = Mutex<(now: Int, most: Int)>((0, 0))

    public init(_ type: ChallengeType = .http01) { self.type = type }

    /// What a CA finds for a token.
    public func answer(_ token: String) -> String? { answers.withLock { $0[token] } }
    public var isEmpty: Bool { answers.withLock { $0.isEmpty } }
    public var presented: Int { counts.withLock { $0.presented } }
    public var cleaned: Int { counts.withLock { $0.cleaned } }

    public func canSolve(_ identifier: Identifier) -> Bool { type == .dns01 || type == .dnsAccount01 || !identifier.isWildcard }
    public func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String { "memory:" + keyAuthorization.token }

    public func present(_ answer: ChallengeAnswer) async throws {
        answers.withLock { $0[answer.keyAuthorization.token] = answer.keyAuthorization.text }
        counts.withLock { $0.presented += 1 }
    }

    public func waitForValidation(of answers: [ChallengeAnswer], quiet: Duration, limit: Duration) async -> Bool { true }

    public func cleanUp(_ answer: ChallengeAnswer) async throws {
        answers.withLock { _ = $0.removeValue(forKey: String(answer.target.dropFirst("memory:".count))) }
        counts.withLock { $0.cleaned += 1 }
    }
}
