import ACME

/// What is known about the proofs under validation, and when to fetch their authorizations. Pure.
///
/// The order is polled, since that shows success with the fewest requests. If it stays pending, an authorization may
/// say why.
struct ProofWatch: Sendable {
    /// How many polls of the order, and how much time, must pass before the authorizations are first fetched. If all
    /// goes well, neither is reached.
    static let looks = 2
    static let shortest: Duration = .milliseconds(250)
    /// The time per authorization between two rounds of fetching them: few requests compared to those for the order.
    static let share: Duration = .milliseconds(100)

    /// Not known to be validated or failed.
    private(set) var open: [Proof]
    private(set) var failures: [IssuanceError.FailedIdentifier] = []
    /// The CA's last problem for each name that has not failed yet.
    private var said: [Identifier: Problem] = [:]
    private var taken = 0
    private var next: Duration

    init(_ proofs: [Proof], since now: Duration) {
        open = proofs
        next = now + Self.shortest
    }

    /// Must be called after each poll that found the order pending.
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
        failures.append(.init(identifier: proof.identifier, problem: reason, challenge: proof.solver.type))
    }

    /// - Returns: Whether this problem is new.
    mutating func note(_ problem: Problem, of proof: Proof) -> Bool {
        defer { said[proof.identifier] = problem }
        return said[proof.identifier] != problem
    }

    /// The problems of names that are still open.
    var problems: [IssuanceError.FailedIdentifier] {
        open.compactMap { proof in
            said[proof.identifier].map { .init(identifier: proof.identifier, problem: $0, challenge: proof.solver.type) }
        }
    }
}
