import ACME
import CertificateStore

/// Presents a challenge's answer where the CA will look for it, and removes it again.
///
/// The flow calls, for each order: `check` before it is placed; `prepare` once; `announce` once; for each challenge,
/// concurrently: `locate`, and then `present`, `waitUntilVisible`; then `waitForValidation` once; then for each challenge `cleanUp`, whatever happened
/// before, and finally `finish`.
public protocol ChallengeSolver: Sendable {
    /// The type that it solves.
    var type: ChallengeType { get }

    /// Whether it can answer challenges for this name. A solver SHOULD return `false` here rather than fail in
    /// `present`: then the next one is tried.
    func canSolve(_ identifier: Identifier) -> Bool

    /// Fails if nothing can work, for example because a folder or a program cannot be used. It MUST change nothing.
    func check() throws

    /// Prepares for challenges. If nothing can work, for example because an address is in use or a folder is not
    /// writable, it MUST fail here, before the CA is told anything.
    func prepare() async throws

    /// Tells it all the answers of an order that it will be asked to present, after `prepare`.
    func announce(_ answers: [ChallengeAnswer]) async

    /// Where `present` will put the answer: a file, a record's name, an address. It goes into the journal before
    /// `present` is called, and lets `cleanUp(_:)` in another process find the answer. It MUST NOT depend on this
    /// process's state.
    func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String

    /// Where the target is in the end, if that has to be found and may change: `cleanUp(_:)` in another process gets it with
    /// the answer. It MUST change nothing, and returns `nil` if it cannot be found: `present` then says why.
    func locate(_ answer: ChallengeAnswer) async -> String?

    /// Presents the answer. It MUST be safe to call concurrently for many challenges, and again for an answer that is
    /// already presented. If it throws, `cleanUp` MUST undo what it did.
    func present(_ answer: ChallengeAnswer) async throws

    /// Looks whether a record that lasts is there, and fits (dns-persist-01). It is called in place of `present`,
    /// `waitUntilVisible` and `cleanUp`, and MUST change nothing.
    func confirm(_ record: DNSPersistRecord.Expectation, for identifier: Identifier) async throws

    /// Returns when the CA can see the answer. It MUST end after a bounded time.
    func waitUntilVisible(_ answer: ChallengeAnswer) async throws

    /// Whether `waitUntilVisible` returns only when it has seen the answer itself where the CA will look.
    var seesItself: Bool { get }

    /// Returns when the CA seems to have fetched all of these, so that the first poll finds a result; returns `false`
    /// at once if that cannot be known. It MUST return within `limit` and MUST NOT throw: it is a hint, not a result.
    /// - Parameter quiet: a CA fetches an answer several times, from several places (Let's Encrypt: five). After this
    ///   time without a request it is done, or is slower than a poll.
    func waitForValidation(of answers: [ChallengeAnswer], quiet: Duration, limit: Duration) async -> Bool

    /// Removes an answer that this process or an earlier one presented or may have presented. It MUST succeed if there
    /// is nothing to remove, and MUST NOT touch anything that `present` did not make. It is called on success, failure
    /// and cancellation, and after a crash for the answers in the journal.
    func cleanUp(_ answer: ChallengeAnswer) async throws

    /// Undoes `prepare`. It MUST be safe to call more than once, and without `prepare`.
    func finish() async
}

extension ChallengeSolver {
    public var seesItself: Bool { false }
    public func check() throws {}
    public func prepare() async throws {}
    public func confirm(_ record: DNSPersistRecord.Expectation, for identifier: Identifier) async throws {}
    public func announce(_ answers: [ChallengeAnswer]) async {}
    public func locate(_ answer: ChallengeAnswer) async -> String? { nil }
    public func waitUntilVisible(_ answer: ChallengeAnswer) async throws {}
    public func waitForValidation(of answers: [ChallengeAnswer], quiet: Duration, limit: Duration) async -> Bool { false }
    public func finish() async {}
}
