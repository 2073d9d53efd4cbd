import ACME
import AgentInterface
import AuditTrail
import Logging
import SigningPolicy

/// A refusal for the administrator's log and the audit trail, with the grant that came closest.
struct RefusalReport {
    let question: PolicyQuestion
    let refusal: Refusal
    let caller: Caller
    /// If the request was refused before its identifiers were read: where to take them from.
    var unread: CallSubject?

    /// Identifiers to show if they were not read.
    private static let unreadShown = 16

    /// What the trail says about it. Bounded in length, since callers without any grant cause records too.
    var record: AuditRecord {
        var record = AuditRecord(.refusal, question: question, caller: caller)
        record.result = "refused"
        record.error = refusal.reason.rawValue
        record.detail = refusal.description
        if let unread = unread?.identifiersAsGiven(first: RefusalReport.unreadShown), unread.count > 0 {
            record.identifiers = unread.first
            record.detail = "\(refusal.description); \(unread.count) identifiers as the caller wrote them, not read"
        }
        record.shorten()
        return record
    }

    func publish(_ record: AuditRecord, to audit: AuditLog, logger: Logger) {
        let identifiers =
            unread?.identifiersAsGiven(first: RefusalReport.unreadShown).first ?? question.identifiers.prefix(16).map(\.value)
        logger.notice(
            "refused",
            metadata: [
                "correlation": "\(caller.correlation)", "uid": "\(caller.peer.uid)", "peer": "\(caller.peer.identity)",
                "operation": "\(question.operation.rawValue)",
                "keys": "\(question.keys.map(\.rawValue).joined(separator: ", "))",
                "identifiers": "\(identifiers.joined(separator: ", "))", "why": "\(refusal)",
            ])
        // Nothing was signed and nothing will be: a trail that cannot record the refusal does not change the answer.
        do throws(AuditError) { _ = try audit.record(record) } catch {
            logger.error("a refusal could not be written to the audit trail", metadata: ["error": "\(error)"])
        }
    }
}

extension AgentError {
    /// Names the missing key: of two, the one that no grant of the caller covers.
    init(_ refusal: Refusal, question: PolicyQuestion, policy: Policy) {
        let caller = refusal.forCaller
        if caller.code == .keyNotFound {
            let own = policy.grants(for: question.peer)
            let missing = question.keys.first { key in !own.contains { $0.covers(key: key) } }
            self = .keyNotFound(name: (missing ?? question.keys.first)?.rawValue ?? "")
        } else {
            self = .refused(reason: caller.code.rawValue, message: caller.message, hint: caller.hint)
        }
    }
}
