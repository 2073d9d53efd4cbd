import AgentClient
import AgentInterface
import AuditTrail
import Glibc
import Report
import Varlink

/// The part of the audit trail that a report is about. Read once, record by record, so that its length costs no memory.
struct ReportTrail: Sendable {
    private(set) var activity: TrailActivity
    /// Of the files; `nil` if the agent was asked.
    private(set) var report: AuditReport?
    private(set) var fault: Failure?

    /// Reads and verifies the files.
    /// - Throws: `AuditError` if they cannot be read.
    init(file: String, _ output: Output) async throws {
        let result = try await Task.detached {
            var activity = TrailActivity(), progress = Progress(output)
            // The oldest files may have been moved away: the page says from which record on it counts.
            let report = try AuditVerifier(path: file, acceptsMissingBeginning: true).verify { entry in
                activity.add(entry.record, hash: entry.hash)
                progress.tick(activity.records)
            }
            return (activity, report)
        }.value
        activity = result.0
        report = result.1
        fault = result.1.fault.map { AuditVerify.failure($0) }
    }

    /// Asks the agent for as many of the last records as it gives.
    /// - Parameter until: the sequence of the last record: those that are written meanwhile are not awaited.
    init(of agent: AgentClient, until end: UInt64, _ output: Output) async throws {
        // As a call that follows: a single reply has room for a few thousand records.
        let lines = try agent.audit(last: CallLimits.auditRecords, follow: true)
        (activity, fault) = try await Self.read(lines, until: end, output)
    }

    /// Time without a record after which the agent hangs.
    private static let patience: Duration = .seconds(15)

    static func read(
        _ lines: AsyncThrowingStream<String, any Error>, until end: UInt64, _ output: Output
    ) async throws -> (TrailActivity, Failure?) {
        let seen = Seen()
        return try await withThrowingTaskGroup(of: (TrailActivity, Failure?).self) { group in
            group.addTask {
                var activity = TrailActivity(), progress = Progress(output), last: AuditEntry?
                for try await line in lines {
                    let entry: AuditEntry
                    do throws(AuditError) { entry = try AuditEntry(line: Array(line.utf8)) } catch {
                        return (activity, broken("\(error.message), after record \(activity.head?.sequence ?? 0)"))
                    }
                    // A record of a trail that was continued after a fault says so itself.
                    if let last, entry.previous != last.hash, entry.record.missingFrom == nil {
                        return (activity, broken("record \(entry.record.sequence) does not follow record \(last.record.sequence)"))
                    }
                    activity.add(entry.record, hash: entry.hash)
                    seen.count(activity.records)
                    progress.tick(activity.records)
                    guard entry.record.sequence < end else { break }
                    last = entry
                }
                return (activity, nil)
            }
            group.addTask {
                try await seen.stall(for: patience)
                throw VarlinkConnectionError.timedOut
            }
            defer { group.cancelAll() }
            return try await group.next() ?? (TrailActivity(), nil)
        }
    }

    private static func broken(_ why: String) -> Failure {
        Failure("audit-changed", .failed, "the audit trail is broken: \(why)", hint: "acme-agent audit verify says more")
    }

    /// What the page shows.
    var facts: TrailFacts {
        TrailFacts(
            source: report.map { .files($0.files) } ?? .agent(records: CallLimits.auditRecords), activity: activity,
            fault: fault.map(\.message), gaps: report?.gaps.map(\.description) ?? [],
            users: Dictionary(
                activity.users.compactMap { id in LocalUser(id: id).map { (id, $0.name) } }, uniquingKeysWith: { first, _ in first }))
    }

    /// A line a few seconds apart while many records are read.
    private struct Progress {
        private static let interval = 5
        private let output: Output
        private var last = Progress.seconds
        private var isFirst = true

        init(_ output: Output) { self.output = output }

        mutating func tick(_ records: UInt64) {
            // The clock is asked now and then: reading a record takes a few microseconds.
            guard records.isMultiple(of: 1_000) else { return }
            let now = Progress.seconds
            guard now - last >= (isFirst ? 1 : Progress.interval) else { return }
            (last, isFirst) = (now, false)
            output.note("reading the audit trail, \(Wording.count(records, "record")) so far")
        }

        private static var seconds: Int {
            var moment = timespec()
            clock_gettime(CLOCK_MONOTONIC, &moment)
            return moment.tv_sec
        }
    }
}
