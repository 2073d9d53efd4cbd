import Glibc
import Measurement

/// Runs a plan: every probe once in each round, one after another, so that other load on the machine affects all of
/// them alike.
struct Rounds {
    private let part: String
    private var plan: Plan
    private let progress: Progress

    init(part: String, plan: Plan, progress: Progress) {
        self.part = part
        self.plan = plan
        self.progress = progress
    }

    /// The rows, and what could not be measured.
    mutating func run() -> (rows: [Row], omissions: [Report.Omission]) {
        var omissions = plan.omissions
        var rounds: [Figures] = []
        let started = Clock.seconds()
        var longest = 0.0
        while true {
            let began = Clock.seconds()
            rounds.append(round(rounds.count + 1, omissions: &omissions))
            longest = max(longest, Clock.seconds() - began)
            guard rounds.count >= plan.rounds else { continue }
            let unsteady = rows(rounds).filter(\.isUnsteady)
            if unsteady.isEmpty || rounds.count >= 2 * plan.rounds { break }
            guard Clock.seconds() - started + longest < plan.seconds else {
                progress.say("\(part): the rounds of \(unsteady.count) rows differ by more than 15 %, but there is no time for more rounds")
                break
            }
            progress.say("\(part): the rounds of \(unsteady.count) rows differ by more than 15 %: one more round")
        }
        let rows = rows(rounds)
        for claim in plan.claims where !plan.isRestricted && !rows.contains(where: { $0.name == claim.name }) {
            omissions.append((claim.name, "a figure that it needs is missing"))
        }
        return (rows, omissions.map { Report.Omission(part: part, name: $0.name, reason: $0.reason) })
    }

    private mutating func round(_ number: Int, omissions: inout [(name: String, reason: String)]) -> Figures {
        var figures = Figures()
        var failed: Set<String> = []
        for (index, probe) in plan.probes.enumerated() {
            progress.show("\(part), round \(number), \(index + 1) of \(plan.probes.count): \(probe.name)")
            do { figures.add(try probe.run()) } catch {
                failed.insert(probe.name)
                omissions.append((probe.name, "round \(number): \(error)"))
                progress.say("\(part): \(probe.name): \(error)")
            }
        }
        // A failed probe is not tried again: its rounds would not be comparable.
        plan.probes.removeAll { failed.contains($0.name) }
        return figures
    }

    private func rows(_ rounds: [Figures]) -> [Row] {
        plan.claims.compactMap { claim in
            var values: [Double] = [], limits: [Double] = []
            for figures in rounds {
                guard let value = claim.value(figures) else { continue }
                if let limit = claim.limit {
                    guard let limit = limit(figures) else { continue }
                    limits.append(limit)
                }
                values.append(value)
            }
            guard !values.isEmpty else { return nil }
            return Row(part: part, name: claim.name, unit: claim.unit, rounds: values, bound: claim.bound, limits: limits)
        }
    }
}
