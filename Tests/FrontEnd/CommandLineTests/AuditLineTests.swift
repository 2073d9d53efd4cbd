import AgentInterface
import AuditTrail
import Testing

@testable import acme_agent

@Suite struct AuditLineTests {
    @Test func aRecordIsALine() {
        var record = AuditRecord(.outcome, time: 1_795_568_620_615)
        record.sequence = 104
        record.result = "signed"
        record.operation = "new-order"
        record.key = "account-ca"
        record.identifiers = ["www.example.org"]
        record.ca = "https://ca.example"
        record.uid = 1000
        record.grant = "web"
        #expect(
            AuditTail.text(record)
                == "104 2026-11-25T01:03:40.615Z signed new-order by key account-ca for www.example.org at https://ca.example asked by user 1000 (grant web)"
        )
    }

    @Test func aTimeThatCannotBeIsNoTrap() {
        _ = AuditTail.text(AuditRecord(.event, time: .max))
        _ = AuditTail.text(AuditRecord(.event, time: .min))
    }

    /// The agent puts 2 MiB of records into one reply, and refuses to answer with fewer than it was asked for.
    @Test func ofMoreThanFitsAsManyAreShownAsFit() async throws {
        var asked: [Int] = []
        let shown = try await AuditTail.fitting(10_000) { count in
            asked.append(count)
            if count > 700 { throw AgentError.invalidRequest(parameter: "last", message: "too many") }
        }
        #expect(shown == asked.last && (613...700).contains(shown) && asked.count < 25, "\(asked)")
        #expect(try await AuditTail.fitting(7) { if $0 > 1 { throw AgentError.invalidRequest(parameter: "last", message: "m") } } == 1)
        #expect(try await AuditTail.fitting(0) { _ in } == 0)
        for error in [AgentError.invalidRequest(parameter: "last", message: "m"), .overloaded(message: "m")] {
            await #expect(throws: error) { try await AuditTail.fitting(100) { _ in throw error } }
        }
    }

    @Test func whatIsNoRecordIsShownSafely() { #expect(AuditTail.text("no\u{1B}record") == "no\u{FFFD}record") }
}
