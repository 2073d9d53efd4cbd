import ACME
import Report
import Testing

@testable import AuditTrail
@testable import acme_agent

/// What a report makes of the lines that the agent gives.
@Suite struct ReportTrailTests {
    private let output = Output(json: false, verbosity: .quiet)

    /// Lines of a trail in which one record continues after a loss.
    /// - Parameter missing: Sequences that are not there; the record after them says so if `isSaid`.
    private func lines(_ count: UInt64, missing: ClosedRange<UInt64>? = nil, isSaid: Bool = true) -> [String] {
        var lines: [String] = [], previous = AuditHash.none
        for sequence in 0..<count {
            var record = AuditRecord(sequence == 0 ? .genesis : .event, time: 1_795_568_620_615)
            record.operation = "start"
            if isSaid, let missing, sequence == missing.upperBound + 1 {
                record.missingFrom = missing.lowerBound
                record.detail = "a test"
            }
            var line: [UInt8] = []
            previous = AuditLine.append(record, sequence: sequence, previous: previous, to: &line)
            if missing?.contains(sequence) != true { lines.append(String(decoding: line, as: UTF8.self)) }
        }
        return lines
    }

    private func stream(_ lines: [String]) -> AsyncThrowingStream<String, any Error> {
        AsyncThrowingStream { continuation in
            for line in lines { continuation.yield(line) }
            continuation.finish()
        }
    }

    @Test func aGapThatTheTrailTellsOfIsNamed() async throws {
        let whole = try await ReportTrail.read(stream(lines(9)), until: 8, output)
        #expect(whole.fault == nil && whole.gaps.isEmpty && whole.activity.records == 9)
        let gap = try await ReportTrail.read(stream(lines(9, missing: 3...5)), until: 8, output)
        #expect(gap.fault == nil && gap.activity.records == 6)
        #expect(gap.facts.gaps == ["records 3 to 5 are missing before record 6: a test"])
    }

    @Test func aGapThatTheTrailDoesNotTellOfIsAFault() async throws {
        let trail = try await ReportTrail.read(stream(lines(9, missing: 3...5, isSaid: false)), until: 8, output)
        #expect(trail.fault?.message.contains("record 6 does not follow record 2") == true && trail.activity.records == 3)
        // A record that says so of others than those that are missing.
        let other = lines(9, missing: 3...5).filter { !$0.hasPrefix("{\"sequence\":2,") }
        let more = try await ReportTrail.read(stream(other), until: 8, output)
        #expect(more.fault?.message.contains("record 6 does not follow record 1") == true)
    }

    /// As when the file was cut off while the agent runs: it follows a file to which nothing is added.
    @Test(.timeLimit(.minutes(1))) func aTrailThatEndsEarlyIsAFaultAndCounts() async throws {
        let silent = AsyncThrowingStream<String, any Error>.makeStream()
        for line in lines(4) { silent.continuation.yield(line) }
        let trail = try await ReportTrail.read(silent.stream, until: 8, patience: .milliseconds(300), output)
        #expect(trail.activity.records == 4)
        #expect(trail.fault?.message.contains("it ends with record 3, and the agent has written record 8") == true)
        let ended = try await ReportTrail.read(stream(lines(4)), until: 8, output)
        #expect(ended.fault?.message.contains("it ends with record 3") == true)
        // Without any record it is the agent that does not answer.
        let nothing = AsyncThrowingStream<String, any Error>.makeStream()
        await #expect {
            _ = try await ReportTrail.read(nothing.stream, until: 8, patience: .milliseconds(50), output)
        } throws: {
            "\($0)".contains("did not come in time")
        }
        silent.continuation.finish()
        nothing.continuation.finish()
    }
}
