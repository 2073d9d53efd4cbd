import ACME
import AgentInterface
import AuditTrail
import Logging
import SigningPolicy

/// A refusal as it goes into the administrator's log and into the audit trail: with the grant that came closest.
struct RefusalReport {
    let question: PolicyQuestion
    let refusal: Refusal
    let peer: AgentPeer
    let correlation: String

    func publish(to audit: AuditLog, logger: Logger) {
        logger.notice(
            "refused",
            metadata: [
                "correlation": "\(correlation)", "peer": "\(peer.identity)", "operation": "\(question.operation.rawValue)",
                "keys": "\(TerminalText.safe(question.keys.joined(separator: ", "), limit: 160))",
                "identifiers": "\(question.identifiers.prefix(16).map(\.value).joined(separator: ", "))", "why": "\(refusal)",
            ])
        var record = AuditRecord(.refusal)
        record.correlation = correlation
        record.uid = peer.uid
        record.gid = peer.gid
        record.connection = peer.connection
        record.key = question.keys.first
        record.operation = question.operation.rawValue
        record.ca = question.url?.origin.description
        record.url = question.url?.text
        record.identifiers = question.identifiers.map(\.value)
        record.result = "refused"
        record.error = refusal.reason.rawValue
        record.detail = refusal.description
        // Nothing was signed and nothing will be: a trail that cannot take the refusal does not change the answer.
        do throws(AuditError) { _ = try audit.record(record) } catch {
            logger.error("a refusal could not be written to the audit trail", metadata: ["error": "\(error)"])
        }
    }
}

extension AgentError {
    init(_ refusal: Refusal, key: String?) {
        let caller = refusal.forCaller
        if caller.code == .keyNotFound {
            self = .keyNotFound(name: key ?? "")
        } else {
            self = .refused(reason: caller.code.rawValue, message: caller.message, hint: caller.hint)
        }
    }
}
