import Foundation
import Testing

/// Two users who take all that the daemon's limits let them, beside a third (`make bench BENCH=hostile` is larger, and
/// compares times).
@Suite struct HostileCallersTests {
    @Test(.enabled(if: geteuid() == 0, "needs root")) func floodsOfTwoUsersCostAThirdNoCallAndStayWithinTheBounds() async throws {
        let idle = 400, slow = 40
        var outcome: Outcome, figures: [String: Double] = [:]
        // For longer on a loaded machine, until there was something to hold up.
        var seconds = 2
        repeat {
            outcome = try await Program.run(
                Program.folder + "/acme-agent-bench",
                ["hostile-callers", "--idle", "\(idle)", "--slow", "\(slow)", "--seconds", "\(seconds)", "--seed", "1"],
                environment: Program.environment)
            try #require(outcome.status == 0, "\(outcome)")
            for line in outcome.output.split(separator: "\n") {
                let words = line.split(separator: " ")
                if words.count == 2 { figures[String(words[0].dropFirst("hostile.".count))] = Double(words[1]) }
            }
            seconds *= 4
        } while seconds <= 32 && !isEnough(figures)
        func figure(_ name: String) throws -> Double { try #require(figures[name], "\(name) is missing: \(outcome)") }
        // The third user's calls were answered, all of them rightly.
        #expect(try figure("calls") >= 20 && figure("signatures") >= 5, "\(outcome)")
        #expect(try figure("failures") == 0, "\(outcome)")
        // Idle and slow connections may be kept.
        #expect(try figure("open.idle") == Double(idle) && figure("open.slow") == Double(slow), "\(outcome)")
        // There was something to hold up: calls that were read, refused, answered, closed.
        for kind in ["large", "invalid", "refused", "unread"] { #expect(try figure(kind + ".sent") > 0, "\(outcome)") }
        #expect(try figure("large.replies") > 0 && figure("invalid.replies") > 0 && figure("refused.replies") > 0, "\(outcome)")
        #expect(try figure("large.closed") > 0 && figure("invalid.closed") > 0, "\(outcome)")
        #expect(try figure("unread.replies") == 0, "\(outcome)")
        // More was refused than is recorded one by one.
        #expect(try figure("refused.replies") > figure("trail.records.limit"), "\(outcome)")
        #expect(try figure("trail.records") > 0 && figure("trail.records") <= figure("trail.records.limit"), "\(outcome)")
        #expect(try figure("trail.kib") <= figure("trail.kib.limit"), "\(outcome)")
        #expect(try figure("memory") <= figure("memory.limit"), "\(outcome)")
    }
    private func isEnough(_ figures: [String: Double]) -> Bool {
        let refused = figures["refused.replies"] ?? 0
        return refused > figures["trail.records.limit"] ?? 0 && ["large", "invalid"].allSatisfy { figures[$0 + ".closed"] ?? 0 > 0 }
    }
}
