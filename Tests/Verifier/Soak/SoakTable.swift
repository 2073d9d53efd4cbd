/// The figures of a soak, with the bounds that they must keep.
struct SoakTable {
    private struct Row {
        var name: String
        var value: String
        var bound: String
        var holds: Bool?
    }

    private var rows: [Row] = []

    var missed: Int { rows.count { $0.holds == false } }
    var holds: Bool { missed == 0 }

    init(_ soak: Soak, seconds: Double) {
        add("time", "\(Int(seconds)) s")
        add("clients, users", "\(Soak.clients), \(SoakUniverse.users.count)")
        add("calls", "\(soak.calls)", "≥ 1", soak.calls > 0)
        add("calls a second", "\(Int(Double(soak.calls) / max(seconds, 0.001)))")
        for (outcome, count) in soak.outcomes.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            add("replies: \(outcome.rawValue)", "\(count)")
        }
        for (error, count) in soak.errors.sorted(by: { $0.key < $1.key }) { add("errors: \(error)", "\(count)") }
        add(
            "calls without a reply", "\(soak.calls - soak.outcomes.values.reduce(0, +))", "0",
            soak.calls == soak.outcomes.values.reduce(0, +))
        add("longest wait for a reply", "\(Int(soak.longest * 1_000)) ms")
        add("signatures verified", "\(soak.verified)", "≥ 1", soak.verified > 0)
        add("keys made, deleted", "\(soak.keysMade), \(soak.keysDeleted)", "≥ 1", soak.keysMade > 0 && soak.keysDeleted > 0)
        add("objects in the token that belong to no key", "\(soak.objectsLeft)", "0", soak.objectsLeft == 0)
        for what in ["helper killed", "token fault", "disk full", "configuration reloaded"] {
            add(what, "\(soak.counts[what] ?? 0) times", "≥ 1", soak.counts[what] ?? 0 > 0)
        }
        add("trail: records, rotations", "\(soak.trailRecords), \(soak.rotations)", "≥ 1", soak.trailRecords > 0 && soak.rotations > 0)
        add("trail: calls as clients saw them", "\(soak.matched)", "all calls", soak.matched == soak.calls)
        add("daemon", soak.daemon)
        add("helper", soak.helper)
    }

    private mutating func add(_ name: String, _ value: String, _ bound: String = "", _ holds: Bool? = nil) {
        rows.append(Row(name: name, value: value, bound: bound, holds: holds))
    }

    private mutating func add(_ process: String, _ growth: ProcessGrowth) {
        for (name, figure, unit) in [
            ("memory", growth.memory, "MiB"), ("descriptors", growth.descriptors, ""), ("threads", growth.threads, ""),
        ] {
            func text(_ value: Double?) -> String { value.map { "\(($0 * 10).rounded() / 10)" } ?? "-" }
            add(
                "\(process): \(name): at first, at most, at last; rise\(unit.isEmpty ? "" : " (\(unit))")",
                "\(text(figure.first)), \(text(figure.highest)), \(text(figure.last)); \(text(figure.rise))", "rise ≤ \(Int(figure.bound))",
                figure.isFlat)
        }
    }

    /// Columns, as a Markdown table.
    var text: String {
        "| what | figure | bound | holds |\n|---|---:|---:|---|\n"
            + rows.map { "| \($0.name) | \($0.value) | \($0.bound) | \($0.holds.map { $0 ? "yes" : "**no**" } ?? "") |" }
            .joined(separator: "\n")
    }
}
