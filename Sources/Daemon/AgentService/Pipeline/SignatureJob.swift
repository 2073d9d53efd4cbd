import ACME
import AgentInterface
import AuditTrail
import Keyring
import Varlink

/// One admitted request on its way through the pipeline, from the decision to the reply.
final class SignatureJob {
    /// Ties the records of one request together: connection and call.
    let correlation: String
    let key: SigningKey
    let reply: VarlinkReplier
    /// What is said of the request in the audit trail, in intent and outcome; changed in its place from one to the other.
    var record: AuditRecord
    /// Whether the intent is on the disk before the reply goes out: for everything that changes something at a CA.
    let waitsForDisk: Bool

    var plan: SigningPlan
    var task: SigningTask
    /// What is to be answered, once the outcome is written.
    var answer: Result<SignedMeaning, AgentError>?
    /// Sequence of the last intent.
    var intent: UInt64 = 0
    /// Syncs that were asked for and have not been reported.
    var pendingSyncs = 0
    /// A sync that failed: what was signed must not be given out.
    var syncFailure: AgentError?
    /// Set once the outcome is in the file, so that the reply waits for nothing but the disk.
    var isRecorded = false
    /// Set once it no longer counts among its user's requests.
    var isReleased = false

    init(
        _ admitted: borrowing Admitted, key: SigningKey, waitsForDisk: Bool, plan: SigningPlan, task: SigningTask, reply: VarlinkReplier
    ) {
        correlation = admitted.caller.correlation
        self.key = key
        self.reply = reply
        record = AuditRecord(.intent, of: admitted)
        record.fingerprint = key.fingerprint
        self.waitsForDisk = waitsForDisk
        self.plan = plan
        self.task = task
    }
}
