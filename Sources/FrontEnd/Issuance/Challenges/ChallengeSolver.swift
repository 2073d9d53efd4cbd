import ACME

/// A challenge to be shown to a CA.
public struct SolvableChallenge: Hashable, Sendable {
    public var type: ChallengeType
    /// With `*.` in front for a wildcard.
    public var identifier: Identifier
    public var keyAuthorization: KeyAuthorization

    public init(type: ChallengeType, identifier: Identifier, keyAuthorization: KeyAuthorization) {
        self.type = type
        self.identifier = identifier
        self.keyAuthorization = keyAuthorization
    }
}

/// Puts a challenge's answer where a CA looks for it, and takes it away again.
///
/// The flow calls, for each order: `prepare` once; for each challenge, many side by side: `present`, `waitUntilVisible`; then
/// `waitForValidation` once; then for each challenge `cleanUp`, whatever happened before, and at last `finish`.
public protocol ChallengeSolver: Sendable {
    /// The one type that it solves.
    var type: ChallengeType { get }

    /// Whether it can prove this name. A solver SHOULD say no here rather than fail in `present`: the next one is tried.
    func canSolve(_ identifier: Identifier) -> Bool

    /// Gets ready for challenges. It MUST fail here, before the CA was told anything, where nothing will work: an address that is in
    /// use, a folder that may not be written.
    func prepare() async throws

    /// Where `present` will put the answer: a file, a record's name, an address. It goes into the journal before `present` is called,
    /// and `cleanUp(_:)` of another process finds the answer by it. It MUST NOT depend on state of this process.
    func target(of challenge: SolvableChallenge) -> String

    /// Shows the answer. It MUST be safe to call for many challenges at once, and again for one that is shown already; where it throws,
    /// what it had done MUST be undone by `cleanUp`.
    func present(_ challenge: SolvableChallenge) async throws

    /// Returns when the CA will see the answer. It MUST end after a bounded time.
    func waitUntilVisible(_ challenge: SolvableChallenge) async throws

    /// Returns when the CA seems to have looked at all of these, so that the first poll finds an answer; at once where that cannot be
    /// known (`false`). It MUST return within `limit` and MUST NOT throw: it is a hint, not a result.
    /// - Parameter quiet: a CA looks several times, from several places (Let's Encrypt: five). When nobody has for this long, it has what it
    ///   wants, or is slower than a poll.
    func waitForValidation(of challenges: [SolvableChallenge], quiet: Duration, limit: Duration) async -> Bool

    /// Takes the answer away. It MUST succeed where there is nothing to take away, and MUST touch nothing that `present` did not make.
    /// It is called on success, failure and cancellation, and after a crash for what the journal names.
    func cleanUp(_ challenge: PresentedChallenge) async throws

    /// Ends what `prepare` began. It MUST be safe to call more than once, and without `prepare`.
    func finish() async
}

/// A challenge that was or may have been presented, by this process or one before it.
public struct PresentedChallenge: Hashable, Sendable {
    public var type: ChallengeType
    public var identifier: Identifier
    /// As `target(of:)` said.
    public var target: String
    /// The key authorization's text (RFC 8555 §8.1).
    public var keyAuthorization: String

    public init(type: ChallengeType, identifier: Identifier, target: String, keyAuthorization: String) {
        self.type = type
        self.identifier = identifier
        self.target = target
        self.keyAuthorization = keyAuthorization
    }
}

extension ChallengeSolver {
    public func prepare() async throws {}
    public func waitUntilVisible(_ challenge: SolvableChallenge) async throws {}
    public func waitForValidation(of challenges: [SolvableChallenge], quiet: Duration, limit: Duration) async -> Bool { false }
    public func finish() async {}
}
