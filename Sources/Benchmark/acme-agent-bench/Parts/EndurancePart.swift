import Measurement

/// A thousand certificates in a row from a CA that refuses half of the nonces (RFC 8555 §6.5).
final class EndurancePart {
    private let workshop: Workshop

    init(_ workshop: Workshop) { self.workshop = workshop }

    static let issuances = 1_000
    /// Number of issuances at the beginning and at the end that are compared.
    static let sample = 100
    /// Percent.
    static let refusedNonces = 50

    func run(_ measure: (Plan) -> Void) throws {
        let field = try IssuanceField("pebble-refusing", refusedNonces: EndurancePart.refusedNonces, workshop: workshop)
        defer { field.stop() }
        let agent = try AgentUnderTest("agent-endurance", AgentUnderTest.Settings(), workshop: workshop)
        defer { agent.stop() }
        let own = try AcmeAgentClient(agent: agent, field: field)
        var plan = Plan()
        plan.isRepeated = false
        plan.probe("\(EndurancePart.issuances) issuances") { [workshop] in try EndurancePart.figures(own, field, workshop.progress) }
        let what = "\(EndurancePart.issuances) issuances in a row, \(EndurancePart.refusedNonces) % of the nonces refused"
        plan.claims += [
            .atMost("\(what): failures", "", 0) { $0["failures"] },
            .atMost("\(what): mean of the last \(EndurancePart.sample) / of the first \(EndurancePart.sample)", "×", 1.1) {
                $0.ratio("last", "first")
            },
            .figure("\(what): mean wall of the first \(EndurancePart.sample)", "s", "first"),
            .figure("\(what): mean wall of the last \(EndurancePart.sample)", "s", "last"),
            .figure("\(what): slowest", "s", "slowest"),
            .figure("\(what): requests each", "", "requests"),
            .figure("\(what): resident memory of daemon and helper, growth", "MB", "growth"),
            .figure("\(what): time in all", "s", "total"),
        ]
        measure(plan)
    }

    private static func figures(_ client: AcmeAgentClient, _ field: IssuanceField, _ progress: Progress) throws -> [String: Double] {
        var walls: [Double] = [], failures = 0, why = ""
        let mark = try field.ca.mark(), memory = client.residentMemory, began = Clock.seconds()
        for number in 1...issuances {
            do { walls.append(try client.issue(field.ca.freshNames(), trusting: .oneRoot).wall) } catch {
                failures += 1
                why = "\(error)"
                progress.say("endurance: issuance \(number): \(why)")
                // Do not try a thousand times if every attempt fails.
                guard failures < 10 else { throw BenchError("\(failures) of \(number) issuances failed: \(why)") }
            }
            if number.isMultiple(of: sample) {
                let mean = walls.suffix(sample).reduce(0, +) / Double(min(sample, walls.count))
                progress.say("endurance: \(number) issuances, \(Figure.text(mean)) s each of the last \(sample)")
            }
        }
        let total = Clock.seconds() - began
        let first = walls.prefix(sample), last = walls.suffix(sample)
        return [
            "failures": Double(failures), "first": first.reduce(0, +) / Double(first.count), "last": last.reduce(0, +) / Double(last.count),
            "slowest": walls.max() ?? 0, "requests": Double(try field.ca.requests(since: mark)) / Double(issuances),
            "growth": client.residentMemory - memory, "total": total,
        ]
    }
}
