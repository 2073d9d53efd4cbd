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
    /// Where the trail itself says that records may be missing.
    private(set) var gaps: [AuditGap]
    /// As many as the agent was asked for.
    private var most = CallLimits.followedAuditRecords

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
        gaps = result.1.gaps
    }

    /// Asks the agent for as many of the last records as it gives.
    /// - Parameter until: the sequence of the last record: those that are written meanwhile are not awaited.
    init(of agent: AgentClient, until end: UInt64, _ output: Output) async throws {
        // As a call that follows: a single reply has room for a few thousand records.
        do {
            self = try await Self.read(agent.audit(last: CallLimits.followedAuditRecords, follow: true), until: end, output)
        } catch AgentError.invalidRequest(parameter: "last", _, _) {
            // An agent of an earlier version, until it is restarted.
            self = try await Self.read(agent.audit(last: CallLimits.auditRecords, follow: true), until: end, output)
            most = CallLimits.auditRecords
        }
    }

    private init() {
        activity = TrailActivity()
        gaps = []
    }

    /// Time without a record after which the agent hangs.
    static let patience: Duration = .seconds(15)

    /// - Throws: `VarlinkConnectionError.timedOut` if there is not one record for `patience`. A trail that ends early is
    ///   broken, and what was read of it counts.
    static func read<Lines: AsyncSequence & Sendable>(
        _ lines: Lines, until end: UInt64, patience: Duration = ReportTrail.patience, _ output: Output
    ) async throws -> ReportTrail where Lines.Element == String, Lines.AsyncIterator: SendableMetatype {
        let answer = AnswerProgress()
        var trail = try await withThrowingTaskGroup(of: ReportTrail?.self) { group in
            group.addTask {
                var trail = ReportTrail(), progress = Progress(output)
                do {
                    for try await line in lines {
                        guard trail.add(line) else { break }
                        answer.advance()
                        progress.tick(trail.activity.records)
                        guard let head = trail.head, head.sequence < end else { break }
                    }
                } catch is CancellationError {
                    // Nothing more has come.
                }
                return trail
            }
            group.addTask {
                try await answer.stall(for: patience)
                return nil
            }
            defer { group.cancelAll() }
            if let trail = try await group.next() ?? nil { return trail }
            group.cancelAll()
            guard let trail = try await group.next() ?? nil, trail.head != nil else { throw VarlinkConnectionError.timedOut }
            return trail
        }
        try Task.checkCancellation()
        if trail.fault == nil, let head = trail.head, head.sequence < end {
            trail.fault = broken("it ends with record \(head.sequence), and the agent has written record \(end)")
        }
        return trail
    }

    /// Takes the next line; returns false if it does not belong there.
    private mutating func add(_ line: String) -> Bool {
        let entry: AuditEntry
        do throws(AuditError) { entry = try AuditEntry(line: Array(line.utf8)) } catch {
            fault = Self.broken("\(error.message), after record \(head?.sequence ?? 0)")
            return false
        }
        // A record of a trail that was continued after a fault says so itself.
        if let head, !entry.follows(head) {
            fault = Self.broken("record \(entry.record.sequence) does not follow record \(head.sequence)")
            return false
        }
        if let gap = entry.gap(after: head, file: "") { gaps.append(gap) }
        activity.add(entry.record, hash: entry.hash)
        return true
    }

    /// The last record that was read.
    private var head: AuditHead? { activity.head.map { AuditHead(sequence: $0.sequence, hash: $0.hash) } }

    private static func broken(_ why: String) -> Failure {
        Failure("audit-changed", .failed, "the audit trail is broken: \(why)", hint: "acme-agent audit verify says more")
    }

    /// What the page shows.
    var facts: TrailFacts {
        TrailFacts(
            source: report.map { .files($0.files) } ?? .agent(records: most), activity: activity,
            fault: fault.map(\.message), gaps: gaps.map(\.description),
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
