import ACME
import CertificateStore

/// Puts a challenge's answer where a CA looks for it, and takes it away again.
///
/// The flow calls, for each order: `check` before it is placed; `prepare` once; for each challenge, many side by side:
/// `present`, `waitUntilVisible`; then `waitForValidation` once; then for each challenge `cleanUp`, whatever happened
/// before, and at last `finish`.
public protocol ChallengeSolver: Sendable {
    /// The one type that it solves.
    var type: ChallengeType { get }

    /// Whether it can prove this name. A solver SHOULD say no here rather than fail in `present`: the next one is tried.
    func canSolve(_ identifier: Identifier) -> Bool

    /// Fails where it is known that nothing will work: a folder or a program that cannot be used. It MUST change nothing.
    func check() throws

    /// Gets ready for challenges. It MUST fail here, before the CA was told anything, where nothing will work: an address that is in
    /// use, a folder that may not be written.
    func prepare() async throws

    /// Where `present` will put the answer: a file, a record's name, an address. It goes into the journal before `present` is called,
    /// and `cleanUp(_:)` of another process finds the answer by it. It MUST NOT depend on state of this process.
    func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String

    /// Shows the answer. It MUST be safe to call for many challenges at once, and again for one that is shown already; where it throws,
    /// what it had done MUST be undone by `cleanUp`.
    func present(_ answer: ChallengeAnswer) async throws

    /// Returns when the CA will see the answer. It MUST end after a bounded time.
    func waitUntilVisible(_ answer: ChallengeAnswer) async throws

    /// Returns when the CA seems to have looked at all of these, so that the first poll finds an answer; at once where that cannot be
    /// known (`false`). It MUST return within `limit` and MUST NOT throw: it is a hint, not a result.
    /// - Parameter quiet: a CA looks several times, from several places (Let's Encrypt: five). When nobody has for this long, it has what it
    ///   wants, or is slower than a poll.
    func waitForValidation(of answers: [ChallengeAnswer], quiet: Duration, limit: Duration) async -> Bool

    /// Takes an answer away that this process, or one before it, presented or may have presented. It MUST succeed where there is nothing to take away, and MUST touch nothing that `present` did not make.
    /// It is called on success, failure and cancellation, and after a crash for what the journal names.
    func cleanUp(_ answer: ChallengeAnswer) async throws

    /// Ends what `prepare` began. It MUST be safe to call more than once, and without `prepare`.
    func finish() async
}

extension ChallengeSolver {
    public func check() throws {}
    public func prepare() async throws {}
    public func waitUntilVisible(_ answer: ChallengeAnswer) async throws {}
    public func waitForValidation(of answers: [ChallengeAnswer], quiet: Duration, limit: Duration) async -> Bool { false }
    public func finish() async {}
}
