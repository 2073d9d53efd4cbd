import Synchronization

/// The answers that a listener gives now, each for what a CA asks for, and how often each was fetched.
final class ChallengeBoard<Answer: Sendable>: Sendable {
    private let answers = Mutex<[String: (answer: Answer, looks: Int)]>([:])
    private let looks = EventCounter()

    func show(_ answer: Answer, for key: String) { answers.withLock { $0[key] = (answer, 0) } }

    /// Removes the answer for a key, if it is this one.
    func remove(_ key: String, if isThis: (Answer) -> Bool = { _ in true }) {
        answers.withLock { answers in
            if let entry = answers[key], isThis(entry.answer) { answers[key] = nil }
        }
    }

    /// The answer for a key, without counting this as a fetch.
    func answer(for key: String) -> Answer? { answers.withLock { $0[key]?.answer } }

    /// The answer for a key; counts the fetch.
    @discardableResult
    func look(at key: String) -> Answer? {
        answers.withLock { answers in
            guard let entry = answers[key] else { return nil }
            answers[key] = (entry.answer, entry.looks + 1)
            return entry.answer
        }
    }

    /// An answer was sent.
    func answered() { looks.increment() }

    /// Returns when each answer was fetched and none has been fetched for `quiet`.
    func waitForLooks(at keys: [String], quiet: Duration, limit: Duration) async -> Bool {
        let end = ContinuousClock.now + limit
        var seen = looks.count
        while !Task.isCancelled {
            let all = answers.withLock { answers in keys.allSatisfy { (answers[$0]?.looks ?? 0) > 0 } }
            let remaining = end - ContinuousClock.now
            guard remaining > .zero else { return false }
            let now = await looks.wait(past: seen, limit: all ? min(quiet, remaining) : remaining)
            if all, now == seen { return true }
            seen = now
        }
        return false
    }
}
