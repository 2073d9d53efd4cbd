/// Compares two runs: what changed by more than the noise of both.
public struct Comparison: Sendable {
    /// A row that both runs have.
    public struct Change: Sendable, Hashable {
        public var part: String
        public var name: String
        public var unit: String
        public var before: Double
        public var after: Double
        /// (after − before) / before.
        public var change: Double
        /// The size of a change that can be noise.
        public var noise: Double
        /// Whether the row kept to its limit before and after; `nil` if it has none.
        public var heldBefore: Bool?
        public var holdsNow: Bool?

        public var hasMoved: Bool { abs(change) > noise }
        /// Whether the limit was kept before but no longer is.
        public var isBroken: Bool { heldBefore == true && holdsNow == false }
    }

    /// Rows of both runs, in the order of the newer one.
    public let changes: [Change]
    /// Rows that only the older run has, and rows that only the newer one has.
    public let gone: [Row]
    public let new: [Row]
    /// Circumstances that differ: absolute figures of the two runs are then not comparable; ratios are affected less.
    public let differences: [(name: String, before: String, after: String)]

    /// A smaller change is never reported: two runs of the same program differ by as much.
    public static let leastNoise = 0.05
    /// How many typical deviations of a round from its median count as noise: three hold 95 % of rounds that vary by
    /// chance.
    public static let deviations = 3.0

    public init(before: Report, after: Report) {
        let old = Dictionary(before.rows.map { (Key($0), $0) }) { first, _ in first }
        let current = Set(after.rows.map { Key($0) })
        // A run of one part is compared with that part only.
        let parts = Set(after.rows.map(\.part))
        changes = after.rows.compactMap { row in
            guard let base = old[Key(row)], let was = base.value, let now = row.value else { return nil }
            let noise = max(Statistics.deviation(base.rounds), Statistics.deviation(row.rounds)) * Comparison.deviations
            return Change(
                part: row.part, name: row.name, unit: row.unit, before: was, after: now,
                change: was == 0 ? (now == 0 ? 0 : .infinity) : (now - was) / abs(was), noise: max(noise, Comparison.leastNoise),
                heldBefore: base.holds, holdsNow: row.holds)
        }
        gone = before.rows.filter { parts.contains($0.part) && !current.contains(Key($0)) }
        new = after.rows.filter { old[Key($0)] == nil }
        let facts = Dictionary(before.circumstances.map { ($0.name, $0.value) }) { first, _ in first }
        differences = after.circumstances.compactMap { name, value in
            guard let was = facts[name], was != value else { return nil }
            return (name, was, value)
        }
    }

    private struct Key: Hashable {
        var part: String
        var name: String

        init(_ row: Row) {
            part = row.part
            name = row.name
        }
    }
}
