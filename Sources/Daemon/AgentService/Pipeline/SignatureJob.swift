import ACME
import AgentInterface
import AuditTrail
import Keyring
import NIOCore
import Varlink

/// The data of one admitted request in the pipeline; ``SignatureRound`` knows how far it has come.
final class SignatureJob {
    /// Ties the records of one request together.
    let correlation: String
    let reply: VarlinkReplier
    /// The request's audit record, for intent and outcome; changed in place between the two.
    var record: AuditRecord
    /// Whether the intent must be on disk before the reply goes out: for all but POST-as-GET and TLS handshakes.
    let waitsForDisk: Bool

    /// The limits in force when the request came.
    let limits: Rules.Limits

    var plan: SigningPlan
    var task: SigningTask
    // For the metrics: when its last bytes were read, when policy had allowed it and it was composed, when its token was
    // first asked, when its last signature was there.
    let received: NIODeadline
    let accepted = NIODeadline.now()
    var asked: NIODeadline?
    var made: NIODeadline?
    /// The answer, given once the outcome is written.
    var answer: Result<SignedMeaning, SignatureFault>?

    init(
        _ admitted: borrowing Admitted, key: SigningKey, waitsForDisk: Bool, plan: SigningPlan, reply: VarlinkReplier
    ) {
        correlation = admitted.caller.correlation
        self.reply = reply
        received = reply.received
        record = AuditRecord(.intent, of: admitted)
        record.fingerprint = key.fingerprint
        self.waitsForDisk = waitsForDisk
        limits = admitted.caller.rules.limits
        self.plan = plan
        task = plan.task
    }
}
