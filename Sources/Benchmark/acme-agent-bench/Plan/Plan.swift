import Measurement

/// The figures of one round, by name.
struct Figures {
    private(set) var values: [String: Double] = [:]

    subscript(_ name: String) -> Double? { values[name] }

    mutating func add(_ other: [String: Double]) { values.merge(other) { _, new in new } }

    /// Two figures of the round divided; `nil` if one is missing.
    func ratio(_ numerator: String, _ denominator: String) -> Double? {
        guard let above = self[numerator], let below = self[denominator], below != 0 else { return nil }
        return above / below
    }
}

/// One thing that every round measures.
struct Probe {
    /// As it is shown while it runs, and where it could not.
    var name: String
    /// Measures, and returns the round's figures.
    var run: () throws -> [String: Double]
}

/// A row of the table, made of the figures of each round.
struct Claim {
    var name: String
    var unit: String
    var bound: Row.Bound?
    /// `nil` where a figure that it needs was not measured.
    var value: (Figures) -> Double?
    var limit: ((Figures) -> Double?)?

    /// A figure as it was measured, without a limit.
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

/// What a part of the run measures, once everything that it needs is running.
struct Plan {
    var probes: [Probe] = []
    var claims: [Claim] = []
    /// What could not be set up, with the reason.
    var omissions: [(name: String, reason: String)] = []
    /// Rounds at the least.
    var rounds = 4
    /// Whether the rounds are more than one. What takes minutes and has many repetitions in it is measured once.
    var isRepeated = true
    /// Seconds that the rounds may take in all, repetitions included.
    var seconds = 230.0
    /// Whether probes were left out because they were not asked for; what is made of their figures is then not missed.
    private(set) var isRestricted = false

    mutating func probe(_ name: String, _ run: @escaping () throws -> [String: Double]) { probes.append(Probe(name: name, run: run)) }

    /// Leaves out what has none of the texts in its name.
    mutating func restrict(to texts: [String]) {
        probes.removeAll { probe in !texts.contains { probe.name.contains($0) } }
        isRestricted = true
    }

    /// Sets something up; where that fails, the run goes on without it and says so.
    mutating func optional(_ name: String, _ setUp: (inout Plan) throws -> Void) {
        do { try setUp(&self) } catch { omissions.append((name, "\(error)")) }
    }
}
