import AgentInterface
import AuditTrail
import DaemonLog
import Keyring
import NIOCore
import TokenProtocol
import TokenSupervisor
import Varlink

/// Does what ``SignatureRound`` says: writes to the trail, asks tokens, checks their signatures, replies.
///
/// Confined to one event loop, without a hand-over.
final class SigningPipeline {
    private let eventLoop: any EventLoop
    private let audit: AuditLog
    private let writer: AuditWriter
    private let tokens: TokenSet
    private let metrics: ServiceMetrics
    private let logger: DaemonLogger

    private var round = SignatureRound(requestsPerUser: SigningPipeline.requestsPerUser)
    /// Indexed by the slots of `round`.
    private var jobs: [SignatureJob?] = []
    private var isPerforming = false
    /// Kept for its memory.
    private var spareActions: [SignatureRound.Action] = []
    /// A quarter of the 4,096 requests that may wait for a token: one user's flood must leave room for the others.
    static let requestsPerUser = 1_024

    init(eventLoop: any EventLoop, audit: AuditLog, tokens: TokenSet, metrics: ServiceMetrics, logger: DaemonLogger) {
        self.eventLoop = eventLoop
        self.audit = audit
        self.writer = audit.writer()
        self.tokens = tokens
        self.metrics = metrics
        self.logger = logger
    }

    /// Takes a request that policy has allowed.
    func submit(_ job: SignatureJob) {
        let token = job.task.key.token
        guard let supervisor = tokens[token] else { return turnAway(job, .tokenNotConfigured(token: token)) }
        // Known in advance: saves the trail an intent that leads to nothing.
        if let failure = supervisor.refusal(within: job.limits.signingDeadline) {
            return turnAway(job, .token(failure, token: token))
        }
        guard let id = round.submit(user: job.record.uid ?? .max, waitsForDisk: job.waitsForDisk) else {
            return turnAway(job, .overloaded(limit: SigningPipeline.requestsPerUser))
        }
        if id.slot < jobs.count { jobs[id.slot] = job } else { jobs.append(job) }
        // No other call may start while this one is being handled.
        perform(repliesTogether: false)
    }

    /// Answers a request for which nothing is begun.
    private func turnAway(_ job: SignatureJob, _ fault: SignatureFault) {
        let error = AgentError(fault)
        metrics.signature(of: job, isMade: false)
        metrics.failed(error.member, token: job.task.key.token)
        logger.log(job, withheld: error)
        job.reply.fail(error, job.correlation)
    }

    private func job(_ id: SignatureRound.Job) -> SignatureJob? {
        guard jobs.indices.contains(id.slot), round.state(of: id) != .vacant else { return nil }
        return jobs[id.slot]
    }

    // MARK: Actions

    /// Performs the actions, and those that follow from them.
    private func perform(repliesTogether: Bool = true) {
        guard !isPerforming else { return }
        isPerforming = true
        var actions: [SignatureRound.Action] = []
        swap(&actions, &spareActions)
        while round.takeActions(into: &actions) {
            var next = 0
            while next < actions.count {
                switch actions[next] {
                case .appendIntent(let id):
                    appendIntent(id)
                    next += 1
                case .appendOutcome(let id, let ending):
                    appendOutcome(id, ending)
                    next += 1
                case .flush:
                    eventLoop.assumeIsolated().execute { self.endRound() }
                    next += 1
                case .synchronize(let newest):
                    synchronize(upTo: newest)
                    next += 1
                case .sendToToken(let id): sendToToken(id, actions, &next)
                case .reply(let id), .withhold(let id):
                    if repliesTogether, let first = job(id) {
                        first.reply.together { while answer(actions, &next) {} }
                    } else {
                        _ = answer(actions, &next)
                    }
                }
            }
        }
        swap(&actions, &spareActions)
        isPerforming = false
    }

    /// Appends the intent of the job's next signature.
    private func appendIntent(_ id: SignatureRound.Job) {
        guard let job = job(id) else { return }
        job.record.kind = .intent
        job.record.time = AuditRecord.now()
        job.record.key = job.task.key.name
        job.record.fingerprint = job.task.key.fingerprint
        job.record.digest = job.task.input.auditDigest
        job.record.result = nil
        job.record.detail = job.task.what
        do throws(AuditError) {
            round.intentAppended(id, sequence: try writer.append(&job.record))
        } catch {
            round.notAppended(id, error)
        }
    }

    private func appendOutcome(_ id: SignatureRound.Job, _ ending: SignatureRound.Ending) {
        guard let job = job(id) else { return }
        job.record.kind = .outcome
        job.record.time = AuditRecord.now()
        job.record.digest = nil
        switch ending {
        case .signed:
            job.record.result = "signed"
            job.record.error = nil
        case .failed:
            job.record.result = "failed"
            if case .failure(let fault)? = job.answer { job.record.error = AgentError(fault).member }
        }
        // The intent has them.
        let identifiers = job.record.identifiers
        job.record.identifiers = []
        defer { job.record.identifiers = identifiers }
        do throws(AuditError) {
            try writer.append(&job.record)
            round.outcomeAppended(id)
        } catch {
            round.notAppended(id, error)
        }
    }

    private func endRound() {
        do throws(AuditError) {
            try writer.flush()
            round.flushed(groupHolds: round.newestConcluded.map { audit.isWithinGroup($0) } ?? true)
        } catch {
            // The trail's observer logs it, once.
            round.flushFailed(error)
        }
        perform()
    }

    private func synchronize(upTo newest: UInt64) {
        let pipeline = NIOLoopBound(self, eventLoop: eventLoop)
        audit.synchronize(upTo: newest) { [eventLoop] result in
            eventLoop.execute { pipeline.value.synchronized(upTo: newest, result) }
        }
    }

    private func synchronized(upTo newest: UInt64, _ result: Result<Void, AuditError>) {
        switch result {
        case .success: round.synced(upTo: newest)
        case .failure(let error): round.syncFailed(error)
        }
        perform()
    }

    /// Hands jobs to their token; consecutive jobs of one token share a write.
    private func sendToToken(_ id: SignatureRound.Job, _ actions: [SignatureRound.Action], _ next: inout Int) {
        guard let token = job(id)?.task.key.token, let supervisor = tokens[token] else {
            // A request's second key may belong to a token that is no longer configured.
            next += 1
            return fail(id, .tokenNotConfigured(token: job(id)?.task.key.token ?? ""))
        }
        let now = NIODeadline.now()
        supervisor.inOneWrite {
            while next < actions.count, case .sendToToken(let id) = actions[next], let job = job(id),
                job.task.key.token == token
            {
                next += 1
                if job.asked == nil { job.asked = now }
                let task = job.task
                supervisor.sign(
                    task.key.reference, task.mechanism, task.tokenInput, user: job.record.uid ?? .max,
                    deadline: now + job.limits.signingDeadline
                ) { result in self.signed(id, result) }
            }
        }
    }

    /// Gives an answer if that is the next action.
    private func answer(_ actions: [SignatureRound.Action], _ next: inout Int) -> Bool {
        guard next < actions.count else { return false }
        let action = actions[next]
        switch action {
        case .reply(let id), .withhold(let id):
            next += 1
            guard let job = job(id) else { return true }
            let error = round.error(of: id)
            jobs[id.slot] = nil
            round.answered(id)
            count(job, isWithheld: action == .withhold(id))
            if case .withhold = action {
                // What the token did is told even if the trail cannot tell it.
                if case .failure? = job.answer { logger.log(job) }
                let error = error.map { AgentError($0) } ?? .signingFailed(message: "the audit trail lacks a record", hint: nil)
                logger.log(job, withheld: error)
                job.reply.fail(error, job.correlation)
            } else {
                logger.log(job)
                switch job.answer {
                case .success(let meaning)?: job.reply.succeed { json in meaning.writeMembers(to: &json) }
                case .failure(let fault)?: job.reply.fail(AgentError(fault), job.correlation)
                case nil: job.reply.fail(AgentError.signingFailed(message: "there is nothing to answer", hint: nil), job.correlation)
                }
            }
            return true
        default: return false
        }
    }

    private func count(_ job: SignatureJob, isWithheld: Bool) {
        switch job.answer {
        case _ where isWithheld: metrics.failed(SigningPipeline.withheld, token: job.task.key.token)
        case .failure(let fault)?: metrics.failed(AgentError(fault).member, token: job.task.key.token)
        case .success?, nil: break
        }
        metrics.answered(job, now: NIODeadline.now())
    }

    /// The error of a signature that the trail lacks.
    private static let withheld = "AuditUnavailable"

    // MARK: What the token answers

    private func signed(_ id: SignatureRound.Job, _ result: Result<[UInt8], TokenFailure>) {
        guard let job = job(id) else { return }
        switch result {
        case .failure(let failure):
            fail(id, .token(failure, token: job.task.key.token))
        case .success(let signature):
            // If not, either the token computed wrongly, which for RSA and Ed25519 reveals the key, or it used another key.
            guard !needsCheck(job, signature) || job.task.accepts(signature) else { return fail(id, .wrongSignature) }
            metrics.signature(of: job, isMade: true)
            do throws(CompositionError) {
                switch try job.plan.resume(signature) {
                case .sign(let plan):
                    job.plan = plan
                    job.task = plan.task
                    round.signed(id, another: true)
                case .done(let meaning):
                    job.answer = .success(meaning)
                    job.made = NIODeadline.now()
                    round.signed(id, another: false)
                }
                perform()
            } catch {
                fail(id, .composition(error))
            }
        }
    }

    private func fail(_ id: SignatureRound.Job, _ fault: SignatureFault) {
        guard let job = job(id) else { return }
        metrics.signature(of: job, isMade: false)
        job.answer = .failure(fault)
        round.failed(id)
        perform()
    }

    private func needsCheck(_ job: SignatureJob, _ signature: [UInt8]) -> Bool {
        switch job.limits.verification {
        case .all: return true
        case .faultSensitive:
            switch job.task.key.algorithm {
            // What has another length than r‖s is no signature.
            case .p256: return signature.count != 64
            case .p384: return signature.count != 96
            default: return true
            }
        }
    }
}
