/// One line of the table: what was measured, in each round, and what it must be.
public struct Row: Sendable, Hashable {
    /// Which way the limit lies.
    public enum Bound: String, Sendable, Hashable {
        case atMost = "at most"
        case atLeast = "at least"
    }

    /// The part of the run that it belongs to, e.g. `signing`.
    public var part: String
    /// What was measured, e.g. `P-256, 64 connections, not verified: share of SoftHSM's rate`. The same in every run.
    public var name: String
    /// `µs`, `1/s`, `×` (a ratio of two figures of the same round), `MB`, …
    public var unit: String
    /// One value a round, in the order of the rounds.
    public var rounds: [Double]
    public var bound: Bound?
    /// The limit in each round: some limits are made of other figures of the same round. One value if it is the same in all.
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

    /// Whether the value keeps to its limit; `nil` for a row that has none.
    public var holds: Bool? {
        guard let bound, let value, let limit else { return nil }
        switch bound {
        case .atMost: return value <= limit
        case .atLeast: return value >= limit
        }
    }

    /// Whether its rounds are so far apart that the value is not to be relied on.
    public var isUnsteady: Bool { Statistics.spread(rounds) > Row.steadySpread }

    /// Rounds that differ by more are repeated, and said to differ.
    public static let steadySpread = 0.15
}
