import ACME
import AgentInterface
import AuditTrail
import Keyring
import Varlink

/// What belongs to one admitted request on its way through the pipeline; where it is on that way, ``SignatureRound`` knows.
final class SignatureJob {
    /// Ties the records of one request together: connection and call.
    let correlation: String
    let reply: VarlinkReplier
    /// What is said of the request in the audit trail, in intent and outcome; changed in its place from one to the other.
    var record: AuditRecord
    /// Whether the intent is on the disk before the reply goes out: for everything that changes something at a CA.
    let waitsForDisk: Bool

    /// Those under which the request came.
    let limits: Rules.Limits

    var plan: SigningPlan
    var task: SigningTask
    /// What is to be answered, once the outcome is written.
    var answer: Result<SignedMeaning, SignatureFault>?

    init(
        _ admitted: borrowing Admitted, key: SigningKey, waitsForDisk: Bool, plan: SigningPlan, reply: VarlinkReplier
    ) {
        correlation = admitted.caller.correlation
        self.reply = reply
        record = AuditRecord(.intent, of: admitted)
        record.fingerprint = key.fingerprint
        self.waitsForDisk = waitsForDisk
        limits = admitted.caller.rules.limits
        self.plan = plan
        task = plan.task
    }
}
