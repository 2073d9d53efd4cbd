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

    private func record(_ sequence: UInt64, _ correlation: String?, operation: String = "new-order") -> AuditRecord {
        var record = AuditRecord(operation == "start" ? .event : .intent)
        record.sequence = sequence
        record.operation = operation
        record.correlation = correlation
        return record
    }

    /// A call's records stand between the start that its correlation names and the next one.
    @Test func recordsOfACallAreFoundFromItsStartOn() {
        var search = CorrelationSearch("7-1-2")
        #expect(search.first == 7)
        let steps = [
            record(7, nil, operation: "start"), record(8, "7-1-1"), record(9, "7-1-2"), record(10, "7-1-21"), record(11, nil),
            record(12, "7-1-2"), record(13, nil, operation: "start"),
        ].map { search.look(at: $0) }
        #expect(steps == [.other, .other, .matches, .other, .other, .matches, .end])
        var connection = CorrelationSearch("7-1")
        #expect(connection.look(at: record(7, nil, operation: "start")) == .other)
        #expect(connection.look(at: record(8, "7-1-1")) == .matches && connection.look(at: record(9, "7-11-1")) == .other)
    }

    /// Earlier versions wrote connection and call only.
    @Test func aCorrelationWithoutAStartIsSearchedInTheWholeTrail() {
        var search = CorrelationSearch("7-1")
        #expect(search.look(at: record(7, "3-1")) == .startOver && search.first == 0)
        #expect(search.look(at: record(1, nil, operation: "start")) == .other)
        #expect(search.look(at: record(7, "7-1")) == .matches && search.look(at: record(8, nil, operation: "start")) == .other)
        #expect(search.look(at: record(9, "7-1")) == .matches)
    }

    /// The connection of an earlier version's call may have the number of a start.
    @Test func aCorrelationWithoutAStartIsSearchedInTheWholeTrailAlsoIfItsFirstNumberIsAStart() {
        let records = [
            record(1, nil, operation: "start"), record(2, "2-1"), record(3, nil, operation: "start"), record(4, "1-3"), record(5, "1-3"),
        ]
        var search = CorrelationSearch("1-3")
        let before = records.prefix(3).map { search.look(at: $0) }
        #expect(before == [.other, .other, .startOver] && search.first == 0)
        let all = records.map { search.look(at: $0) }
        #expect(all == [.other, .other, .other, .matches, .matches])
        // A connection of this version.
        var connection = CorrelationSearch("1-2")
        let steps = [record(1, nil, operation: "start"), record(2, "1-2-1"), record(3, nil, operation: "start")].map {
            connection.look(at: $0)
        }
        #expect(steps == [.other, .matches, .end])
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
