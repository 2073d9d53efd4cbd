import AuditTrail
import Logging

/// Refusals on their way into log and trail, so many of one user in a minute: whoever is refused in a loop must not fill the disk, since on a full
/// disk nothing is signed for anybody. What is left out is counted, and the count is written down.
final class RefusalLog {
    /// A user who errs stays far below it; at 600 bytes a record it bounds a flood to some 80 MB a day.
    static let perMinute = 100
    private static let window: Int64 = 60_000

    private struct Window {
        var start: Int64
        var count = 0
        var leftOut = 0
    }

    private let audit: AuditLog
    private let logger: Logger
    private var windows: [UInt32: Window] = [:]

    init(audit: AuditLog, logger: Logger) {
        self.audit = audit
        self.logger = logger
    }

    /// Writes the refusal down, or counts it.
    func publish(_ report: RefusalReport, now: Int64 = AuditRecord.now()) {
        let uid = report.caller.peer.uid
        var window = windows[uid] ?? Window(start: now)
        if now - window.start >= RefusalLog.window {
            if window.leftOut > 0 { tell(window.leftOut, of: uid) }
            window = Window(start: now)
            // Users whose window is over and who are owed no count are forgotten.
            windows = windows.filter { $0.value.leftOut > 0 || now - $0.value.start < RefusalLog.window }
        }
        window.count += 1
        if window.count <= RefusalLog.perMinute {
            report.publish(to: audit, logger: logger)
        } else {
            if window.leftOut == 0 {
                logger.warning("too many refusals of one user: the rest of this minute is counted only", metadata: ["uid": "\(uid)"])
            }
            window.leftOut += 1
        }
        windows[uid] = window
    }

    private func tell(_ count: Int, of uid: UInt32) {
        var record = AuditRecord(.event)
        record.uid = uid
        record.operation = "refusals-left-out"
        record.detail = "\(count) refusals beyond \(RefusalLog.perMinute) in a minute were not recorded one by one"
        do throws(AuditError) { _ = try audit.record(record) } catch {
            logger.error("the count of refusals could not be written to the audit trail", metadata: ["error": "\(error)"])
        }
    }
}
