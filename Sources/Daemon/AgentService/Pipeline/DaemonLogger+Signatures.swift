import AgentInterface
import DaemonLog
import TokenProtocol

extension DaemonLogger {
    /// How a request for a signature ended: one line, whatever was tried. The audit trail has each that was made, so the
    /// log has those only at `debug`.
    func log(_ job: SignatureJob) {
        switch job.answer {
        case .success?: log(.signatureMade, "signed", DaemonLogger.fields(job))
        case .failure(.wrongSignature)?:
            log(
                .signatureWrong, "the token returned a signature that is not the pinned key's; it is discarded", DaemonLogger.fields(job))
        case .failure(.token(let failure, _))?:
            log(
                .signatureFailed, "the token did not sign",
                DaemonLogger.fields(job).merging([
                    .reason: "\(failure.kind)", .why: failure.forLog, .function: failure.function ?? "",
                    .returnValue: failure.hexadecimalReturnValue,
                ]) { $1 })
        case .failure(let fault)?:
            log(.signatureFailed, "nothing was signed", DaemonLogger.fields(job).merging([.why: AgentError(fault).message]) { $1 })
        case nil: break
        }
    }

    /// A request that was turned away before its token was asked, or whose answer is not given out because the audit trail
    /// lacks a record. A token or trail that cannot be used has an event of its own, and so has what the token did, so
    /// this is for a close look.
    func log(_ job: SignatureJob, withheld error: AgentError) {
        log(
            .signatureWithheld, "nothing was given out",
            DaemonLogger.fields(job).merging([.reason: error.member, .why: error.message]) { $1 })
    }

    private static func fields(_ job: SignatureJob) -> [LogField: String] {
        [
            .correlation: job.correlation, .uid: job.record.uid.map { "\($0)" } ?? "", .grant: job.record.grant ?? "",
            .operation: job.record.operation ?? "", .key: job.task.key.name.rawValue, .token: job.task.key.token,
        ]
    }
}

extension TokenFailure {
    /// The sentence for the log, which may have the helper's own: it names files and says what to do.
    var forLog: String { report ?? message }

    /// What a Cryptoki function returned, for the log; empty if none did.
    var hexadecimalReturnValue: String { returnValue.map { "0x" + String($0, radix: 16) } ?? "" }
}
