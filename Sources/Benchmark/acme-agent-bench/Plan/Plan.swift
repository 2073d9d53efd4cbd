import Measurement

/// The figures of one round, by name.
struct Figures {
    private(set) var values: [String: Double] = [:]

    subscript(_ name: String) -> Double? { values[name] }

    mutating func add(_ other: [String: Double]) { values.merge(other) { _, new in new } }

    /// The quotient of two figures of the round; `nil` if one is missing.
    func ratio(_ numerator: String, _ denominator: String) -> Double? {
        guard let above = self[numerator], let below = self[denominator], below != 0 else { return nil }
        return above / below
    }
}

/// One thing that every round measures.
struct Probe {
    /// The name shown while it runs, or if it failed.
    var name: String
    /// Measures, and returns the round's figures.
    var run: () throws -> [String: Double]
}

/// A row of the table, computed from the figures of each round.
struct Claim {
    var name: String
    var unit: String
    var bound: Row.Bound?
    /// `nil` if a figure that it needs was not measured.
    var value: (Figures) -> Double?
    var limit: ((Figures) -> Double?)?

    /// A measured figure without a limit.
    static func figure(_ name: String, _ unit: String, _ figure: String) -> Claim {
        Claim(name: name, unit: unit, bound: nil, value: { $0[figure] }, limit: nil)
    }

    static func atMost(_ name: String, _ unit: String, _ limit: Double, _ value: @escaping (Figures) -> Double?) -> Claim {
        Claim(name: name, unit: unit, bound: .atMost, value: value, limit: { _ in limit })
    }

    static func atLeast(_ name: String, _ unit: String, _ limit: Double, _ value: @escaping (Figures) -> Double?) -> Claim {
        Claim(name: name, unit: unit, bound: .atLeast, value: value, limit: { _ in limit })
    }
}

/// What a part of the run measures, once everything it needs is running.
struct Plan {
    var probes: [Probe] = []
    var claims: [Claim] = []
    /// What could not be set up, with the reason.
    var omissions: [(name: String, reason: String)] = []
    /// The minimum number of rounds.
    var rounds = 4
    /// Whether there is more than one round. What takes minutes and repeats internally is measured once.
    var isRepeated = true
    /// Seconds that all rounds may take, including repetitions.
    var seconds = 230.0
    /// Whether probes were left out on request; rows that need their figures are then not reported as missing.
    private(set) var isRestricted = false

    mutating func probe(_ name: String, _ run: @escaping () throws -> [String: Double]) { probes.append(Probe(name: name, run: run)) }

    /// Leaves out probes without any of the texts in their name.
    mutating func restrict(to texts: [String]) {
        probes.removeAll { probe in !texts.contains { probe.name.contains($0) } }
        isRestricted = true
    }

    /// Sets something up; if that fails, the run continues without it and says so.
    mutating func optional(_ name: String, _ setUp: (inout Plan) throws -> Void) {
        do { try setUp(&self) } catch { omissions.append((name, "\(error)")) }
    }
}
