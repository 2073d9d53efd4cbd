/// One row of the table: what was measured, its value in each round, and its limit.
public struct Row: Sendable, Hashable {
    /// The kind of limit.
    public enum Bound: String, Sendable, Hashable {
        case atMost = "at most"
        case atLeast = "at least"
    }

    /// Its part of the run, such as `signing`.
    public var part: String
    /// What was measured, such as `P-256, 64 connections, not verified: share of SoftHSM's rate`. The same in every
    /// run.
    public var name: String
    /// `µs`, `1/s`, `×` (a ratio of two figures of the same round), `MB`, …
    public var unit: String
    /// One value per round, in order.
    public var rounds: [Double]
    public var bound: Bound?
    /// The limit in each round: some limits are computed from other figures of the same round. A single value if it is
    /// the same in all.
    public var limits: [Double]

    public init(part: String, name: String, unit: String, rounds: [Double], bound: Bound? = nil, limits: [Double] = []) {
        self.part = part
        self.name = name
        self.unit = unit
        self.rounds = rounds
        self.bound = bound
        self.limits = limits
    }

    /// The median of the rounds.
    public var value: Double? { Statistics.median(rounds) }

    /// The median of the limits.
    public var limit: Double? { Statistics.median(limits) }

    /// Whether the value keeps to its limit; `nil` for a row without one.
    public var holds: Bool? {
        guard let bound, let value, let limit else { return nil }
        switch bound {
        case .atMost: return value <= limit
        case .atLeast: return value >= limit
        }
    }

    /// Whether its rounds differ so much that the value is unreliable.
    public var isUnsteady: Bool { Statistics.spread(rounds) > Row.steadySpread }

    /// Rounds that differ by more are repeated, and reported as unsteady.
    public static let steadySpread = 0.15
}
