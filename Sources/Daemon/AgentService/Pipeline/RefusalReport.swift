import ACME
import AgentInterface
import AuditTrail
import DaemonLog
import Keyring
import SigningPolicy

/// A refusal for the administrator's log and the audit trail.
struct RefusalReport {
    let question: PolicyQuestion
    let caller: Caller
    /// A stable code.
    let reason: String
    /// One line: of policy, with the grant that came closest.
    private let description: String
    /// The grant that covers a request which nevertheless may not be signed, or not now.
    private let grant: String?
    /// If the request was refused before its identifiers were read: where to take them from.
    private let unread: CallSubject?

    /// By policy.
    init(question: PolicyQuestion, refusal: Refusal, caller: Caller, unread: CallSubject?) {
        self.question = question
        self.caller = caller
        reason = refusal.reason.rawValue
        description = refusal.description
        grant = refusal.grant
        self.unread = unread
    }

    /// Allowed by policy, but not a request that may be signed.
    init(_ admitted: borrowing Admitted, _ error: CompositionError) {
        question = admitted.question
        caller = admitted.caller
        reason = "invalid-request"
        description = "\(error.parameter): \(error)"
        grant = admitted.grant
        unread = nil
    }

    /// Identifiers to show if they were not read.
    private static let unreadShown = 16

    /// What the trail says about it. Bounded in length, since callers without any grant cause records too.
    var record: AuditRecord {
        var record = AuditRecord(.refusal, question: question, caller: caller)
        record.result = "refused"
        record.error = reason
        record.detail = description
        record.grant = grant
        if let unread = unread?.identifiersAsGiven(first: RefusalReport.unreadShown), unread.count > 0 {
            record.identifiers = unread.first
            record.detail = "\(description); \(unread.count) identifiers as the caller wrote them, not read"
        }
        record.shorten()
        return record
    }

    func publish(_ record: AuditRecord, to audit: AuditLog, logger: DaemonLogger) {
        let identifiers =
            unread?.identifiersAsGiven(first: RefusalReport.unreadShown).first ?? question.identifiers.prefix(16).map(\.value)
        logger.log(
            .requestRefused, "refused",
            [
                .correlation: caller.correlation, .uid: "\(caller.peer.uid)", .peer: "\(caller.peer.identity)",
                .operation: question.operation.rawValue, .key: question.keys.map(\.rawValue).joined(separator: ", "),
                .identifiers: identifiers.joined(separator: ", "), .reason: reason, .why: description,
            ])
        // Nothing was signed and nothing will be: a trail that cannot record the refusal does not change the answer.
        do throws(AuditError) { _ = try audit.record(record) } catch {
            logger.log(
                .recordNotWritten, "a refusal could not be written to the audit trail",
                [.correlation: caller.correlation, .what: "refusal", .error: "\(error)"])
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
        } else if caller.code == .rateExceeded, GrantRate.Kind(question.operation) == .handshakes {
            self = .overloaded(message: [caller.message, caller.hint].compactMap(\.self).joined(separator: "; "))
        } else if caller.code == .rateExceeded {
            self = .rateExceeded(message: caller.message, hint: caller.hint, retryAt: caller.retryAt)
        } else {
            self = .refused(reason: caller.code.rawValue, message: caller.message, hint: caller.hint)
        }
    }
}
