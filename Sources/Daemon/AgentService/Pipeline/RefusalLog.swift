import AuditTrail
import DaemonLog
import NIOCore

/// Writes refusals to log and trail, as many as ``RefusalBudget`` allows. The rest is counted, and the count is written
/// when the minute is over, and at the end.
///
/// Confined to one event loop.
final class RefusalLog {
    private let audit: AuditLog
    private let metrics: ServiceMetrics
    private let logger: DaemonLogger
    private let eventLoop: any EventLoop
    private var budget: RefusalBudget
    private var timer: Scheduled<Void>?

    init(
        audit: AuditLog, eventLoop: any EventLoop, metrics: ServiceMetrics, logger: DaemonLogger,
        bounds: RefusalBudget.Bounds = RefusalBudget.Bounds()
    ) {
        self.audit = audit
        self.eventLoop = eventLoop
        self.metrics = metrics
        self.logger = logger
        budget = RefusalBudget(bounds)
    }

    /// Records the refusal, or counts it.
    func publish(_ report: RefusalReport) {
        // All of them, also those that are only counted below.
        metrics.refused(report.question.operation, report.reason)
        let uid = report.caller.peer.uid
        let now = RefusalLog.now()
        let record = budget.isExhausted(for: uid, now: now) ? nil : report.record
        switch budget.take(uid, bytes: record?.approximateLength, now: now) {
        case .record: if let record { report.publish(record, to: audit, logger: logger) }
        case .leaveOutFirst:
            logger.log(
                .refusalsLimited, "too many refusals of one user: the rest of this minute is only counted", [.uid: "\(uid)"])
        case .leaveOut: break
        }
        runTimer()
    }

    /// Records all counts; called when the daemon stops.
    func close() {
        timer?.cancel()
        timer = nil
        tell(budget.settle(now: RefusalLog.now(), all: true))
    }

    private static func now() -> Int64 { Int64(clamping: NIODeadline.now().uptimeNanoseconds / 1_000_000) }

    private func runTimer() {
        guard timer == nil, budget.owes else { return }
        timer = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(budget.bounds.window)) {
            self.timer = nil
            self.tell(self.budget.settle(now: RefusalLog.now()))
            self.runTimer()
        }
    }

    private func tell(_ leftOut: [RefusalBudget.LeftOut]) {
        for entry in leftOut {
            var record = AuditRecord(.event)
            record.uid = entry.user
            record.operation = "refusals-left-out"
            record.detail =
                entry.user == nil
                ? "\(entry.count) refusals of users beyond the first \(budget.bounds.users) were not recorded one by one"
                : "\(entry.count) refusals of the user were not recorded one by one"
            do throws(AuditError) { _ = try audit.record(record) } catch {
                logger.log(
                    .recordNotWritten, "the count of refusals could not be written to the audit trail",
                    [.what: "refusals-left-out", .error: "\(error)"])
            }
        }
    }
}
