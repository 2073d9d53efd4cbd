import ACME

/// What is known of proofs that the CA was told of, and when its authorizations are looked at. Pure.
///
/// The order is polled; it alone tells of success, in the fewest requests. Where it does not move, an authorization may know why.
struct ProofWatch: Sendable {
    /// Looks at the order before the first at its authorizations, and the time before it: where all goes well neither passes.
    static let looks = 2
    static let shortest: Duration = .milliseconds(250)
    /// Between two looks at the authorizations, for each of them: few requests beside those for the order.
    static let share: Duration = .milliseconds(100)

    /// Not known to be proven or failed.
    private(set) var open: [Proof]
    private(set) var failures: [IssuanceError.FailedIdentifier] = []
    /// What the CA said last of a name that it has not given up.
    private var said: [Identifier: Problem] = [:]
    private var taken = 0
    private var next: Duration

    init(_ proofs: [Proof], since now: Duration) {
        open = proofs
        next = now + Self.shortest
    }

    /// To be called after each look at the order that found it pending.
    mutating func isDue(_ now: Duration) -> Bool {
        taken += 1
        return taken >= Self.looks && now >= next && !open.isEmpty
    }

    mutating func hasLooked(_ now: Duration) { next = now + max(.seconds(1), Self.share * open.count) }

    mutating func close(_ proof: Proof) {
        open.removeAll { $0.authorization.url == proof.authorization.url }
        said[proof.identifier] = nil
    }

    mutating func fail(_ proof: Proof, _ problem: Problem?) {
        let reason = problem ?? said[proof.identifier]
        close(proof)
        failures.append(.init(identifier: proof.identifier, problem: reason))
    }

    /// - Returns: Whether the CA says this for the first time.
    mutating func note(_ problem: Problem, of proof: Proof) -> Bool {
        defer { said[proof.identifier] = problem }
        return said[proof.identifier] != problem
    }

    /// The problems of names that are still open.
    var problems: [IssuanceError.FailedIdentifier] {
        open.compactMap { proof in said[proof.identifier].map { .init(identifier: proof.identifier, problem: $0) } }
    }
}
