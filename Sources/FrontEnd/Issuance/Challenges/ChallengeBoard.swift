import ACME
import Synchronization

/// The answers that a listener serves now, and how often each was fetched.
final class ChallengeBoard: Sendable {
    private let answers = Mutex<[String: (keyAuthorization: String, looks: Int)]>([:])
    private let looks = EventCounter()

    func show(_ keyAuthorization: KeyAuthorization) {
        answers.withLock { $0[keyAuthorization.token] = (keyAuthorization.text, 0) }
    }

    func remove(token: String) { answers.withLock { _ = $0.removeValue(forKey: token) } }

    /// The answer to a request for a token; counts the request.
    func look(at token: String) -> String? {
        answers.withLock { answers in
            guard let entry = answers[token] else { return nil }
            answers[token] = (entry.keyAuthorization, entry.looks + 1)
            return entry.keyAuthorization
        }
    }

    /// An answer was sent.
    func answered() { looks.increment() }

    /// Returns when each token was fetched and none has been fetched for `quiet`.
    func waitForLooks(at tokens: [String], quiet: Duration, limit: Duration) async -> Bool {
        let end = ContinuousClock.now + limit
        var seen = looks.count
        while !Task.isCancelled {
            let all = answers.withLock { answers in tokens.allSatisfy { (answers[$0]?.looks ?? 0) > 0 } }
            let remaining = end - ContinuousClock.now
            guard remaining > .zero else { return false }
            let now = await looks.wait(past: seen, limit: all ? min(quiet, remaining) : remaining)
            if all, now == seen { return true }
            seen = now
        }
        return false
    }
}
