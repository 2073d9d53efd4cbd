import AuditTrail
import DaemonLog

extension DaemonLogger {
    /// What happens to the audit trail.
    func log(_ notice: AuditNotice) {
        switch notice {
        case .notWritten: log(.trailNotWritten, "\(notice)")
        case .writtenAgain: log(.trailWritten, "\(notice)")
        case .notSynced: log(.trailNotSynced, "\(notice)")
        case .continued: log(.trailContinued, "\(notice)")
        case .notRemembered: log(.trailHeadNotStored, "\(notice)")
        }
    }
}
