import AgentInterface
import AuditTrail
import Keyring
import Logging
import NIOCore
import TokenProtocol
import TokenSupervisor
import Varlink

/// The way of a signature: audit intent → token → check against the pinned key → audit outcome → reply.
///
/// Confined to one event loop and walked without a hand-over. Everything that one round of the loop brings shares one write to the audit
/// trail: records are collected, and at the round's end written first; only then do the requests go to the token, and the replies out.
/// If the write fails, nothing of the round is signed.
final class SigningPipeline {
    private let eventLoop: any EventLoop
    private let audit: AuditLog
    private let writer: AuditWriter
    private let tokens: [String: TokenSupervisor]
    private let verification: AgentConfiguration.Verification
    private let deadline: TimeAmount
    private let logger: Logger

    /// What one round of the loop brings.
    private struct Round {
        /// Jobs whose intent was appended.
        var intended: [SignatureJob] = []
        /// Jobs whose outcome was appended.
        var finished: [SignatureJob] = []
    }

    private var round = Round()
    /// The round that is being ended, empty otherwise; kept for its memory.
    private var ending = Round()
    private var isRoundScheduled = false
    /// Requests of each user that are between submission and reply.
    private var underWay: [UInt32: Int] = [:]
    /// A quarter of the 4,096 that may wait for a token: one user's flood must leave room for the others.
    static let requestsPerUser = 1_024

    init(
        eventLoop: any EventLoop, audit: AuditLog, tokens: [String: TokenSupervisor], verification: AgentConfiguration.Verification,
        deadline: TimeAmount, logger: Logger
    ) {
        self.eventLoop = eventLoop
        self.audit = audit
        self.writer = audit.writer()
        self.tokens = tokens
        self.verification = verification
        self.deadline = deadline
        self.logger = logger
    }

    /// Takes a request that policy has allowed.
    func submit(_ job: SignatureJob) {
        let uid = job.record.uid ?? .max
        guard underWay[uid, default: 0] < SigningPipeline.requestsPerUser else {
            return job.reply.fail(AgentError.overloaded(message: "\(SigningPipeline.requestsPerUser) of your requests are waiting already"))
        }
        underWay[uid, default: 0] += 1
        guard let supervisor = tokens[job.task.key.token] else {
            return refuse(job, SigningPipeline.notConfigured(job.task.key.token))
        }
        // Known beforehand: saves the trail an intent that comes to nothing.
        if case .unavailable(let failure) = supervisor.state { return refuse(job, AgentError(failure, token: job.task.key.token)) }
        intend(job)
    }

    private static func notConfigured(_ token: String) -> AgentError {
        .tokenUnavailable(token: token, reason: "notConfigured", message: "the key's token is not configured", hint: nil)
    }

    /// Appends the intent of the job's next signature.
    private func intend(_ job: SignatureJob) {
        job.record.kind = .intent
        job.record.time = AuditRecord.now()
        job.record.key = job.task.key.name.rawValue
        job.record.fingerprint = job.task.key.fingerprint
        job.record.digest = job.task.input.auditDigest
        job.record.result = nil
        job.record.detail = job.task.what
        do throws(AuditError) { job.intent = try writer.append(&job.record) } catch { return refuse(job, AgentError(error)) }
        round.intended.append(job)
        scheduleRound()
    }

    private func scheduleRound() {
        guard !isRoundScheduled else { return }
        isRoundScheduled = true
        eventLoop.assumeIsolated().execute { self.endRound() }
    }

    private func endRound() {
        isRoundScheduled = false
        swap(&round, &ending)
        defer {
            ending.intended.removeAll(keepingCapacity: true)
            ending.finished.removeAll(keepingCapacity: true)
        }
        do throws(AuditError) { try writer.flush() } catch {
            logger.error("the audit trail cannot be written, nothing is signed", metadata: ["error": "\(error)"])
            let failure = AgentError(error)
            for job in ending.intended { refuse(job, failure) }
            // Signed, but without a record of it: the signature is not given out.
            for job in ending.finished { refuse(job, failure) }
            return
        }
        sign(ending.intended)
        guard let first = ending.finished.first else { return }
        // One look for all: what holds for the newest intent holds for those before it.
        let newest = ending.finished.lazy.map(\.intent).max() ?? 0
        let isWithinGroup = audit.isWithinGroup(newest)
        // Replies that would get further ahead of the disk than the design allows are held back.
        if !isWithinGroup { synchronize(ending.finished.filter { !$0.waitsForDisk }) }
        first.reply.together {
            for job in ending.finished {
                job.isRecorded = true
                answerIfReady(job)
            }
        }
    }

    /// Hands jobs to their tokens: those of one token that come one after another in one write.
    private func sign(_ jobs: [SignatureJob]) {
        guard !jobs.isEmpty else { return }
        // The disk works while the token does; the reply waits for both.
        synchronize(jobs.filter(\.waitsForDisk))
        let until = NIODeadline.now() + deadline
        var rest = jobs[...]
        while let token = rest.first?.task.key.token {
            let end = rest.firstIndex { $0.task.key.token != token } ?? rest.endIndex
            if let supervisor = tokens[token] {
                supervisor.inOneWrite {
                    for job in rest[..<end] { sign(job, at: supervisor, until) }
                }
            } else {
                // A request's second key may be of a token that is not configured any more.
                for job in rest[..<end] { conclude(job, .failure(SigningPipeline.notConfigured(token))) }
            }
            rest = rest[end...]
        }
    }

    private func sign(_ job: SignatureJob, at supervisor: TokenSupervisor, _ until: NIODeadline) {
        supervisor.sign(job.task.key.reference, job.task.mechanism, job.task.input.tokenInput, deadline: until) { result in
            self.signed(job, result)
        }
    }

    /// Has the replies of these jobs wait until their intents are on the disk: one question and one answer for all of a round.
    private func synchronize(_ jobs: [SignatureJob]) {
        guard let newest = jobs.lazy.map(\.intent).max() else { return }
        for job in jobs { job.pendingSyncs += 1 }
        let bound = NIOLoopBound(jobs, eventLoop: eventLoop), pipeline = NIOLoopBound(self, eventLoop: eventLoop)
        audit.synchronize(upTo: newest) { [eventLoop] result in
            eventLoop.execute { pipeline.value.synchronized(bound.value, result) }
        }
    }

    private func synchronized(_ jobs: [SignatureJob], _ result: Result<Void, AuditError>) {
        jobs.first?.reply.together {
            for job in jobs {
                job.pendingSyncs -= 1
                if case .failure(let error) = result { job.syncFailure = AgentError(error) }
                answerIfReady(job)
            }
        }
    }

    private func signed(_ job: SignatureJob, _ result: Result<[UInt8], TokenFailure>) {
        switch result {
        case .failure(let failure):
            logger.warning(
                "the token did not sign",
                metadata: [
                    "correlation": "\(job.correlation)", "key": "\(job.task.key.name)", "function": "\(failure.function ?? "-")",
                    "returnValue": "\(failure.returnValue.map { "0x" + String($0, radix: 16) } ?? "-")", "reason": "\(failure.kind)",
                    "message": "\(failure.message)",
                ])
            conclude(job, .failure(AgentError(failure, token: job.task.key.token)))
        case .success(let signature):
            if needsCheck(job.task.key), !job.task.accepts(signature) {
                // Either the token computed wrongly, which for RSA and Ed25519 gives the key away, or it used another key.
                logger.error(
                    "the token gave a signature that is not the pinned key's; it is thrown away",
                    metadata: ["correlation": "\(job.correlation)", "key": "\(job.task.key.name)"])
                return conclude(
                    job,
                    .failure(
                        .signingFailed(
                            message: "the token gave a signature that does not verify",
                            hint: "the token may be faulty; do not use it until it has been examined")))
            }
            do throws(CompositionError) {
                switch try job.plan.resume(signature) {
                case .sign(let task):
                    // The first signature's outcome and the second's intent: each signature has both.
                    try record(job, result: "signed", error: nil)
                    job.task = task
                    intend(job)
                case .done(let meaning): conclude(job, .success(meaning))
                }
            } catch {
                conclude(job, .failure(.signingFailed(message: error.description, hint: nil)))
            }
        }
    }

    private func needsCheck(_ key: SigningKey) -> Bool {
        switch verification {
        case .all: return true
        case .faultSensitive:
            switch key.algorithm {
            case .p256, .p384: return false
            default: return true
            }
        }
    }

    private func record(_ job: SignatureJob, result: String, error: String?) throws(CompositionError) {
        job.record.kind = .outcome
        job.record.time = AuditRecord.now()
        job.record.digest = nil
        job.record.result = result
        job.record.error = error
        // The intent has named them.
        let identifiers = job.record.identifiers
        job.record.identifiers = []
        defer { job.record.identifiers = identifiers }
        do throws(AuditError) { try writer.append(&job.record) } catch { throw CompositionError("audit", error.description) }
    }

    /// Writes the outcome; the reply follows once it is in the file.
    private func conclude(_ job: SignatureJob, _ answer: Result<SignedMeaning, AgentError>) {
        job.answer = answer
        do throws(CompositionError) {
            switch answer {
            case .success: try record(job, result: "signed", error: nil)
            case .failure(let error): try record(job, result: "failed", error: error.member)
            }
        } catch {
            return refuse(job, .auditUnavailable(message: "the audit trail cannot be written: \(error)", hint: nil))
        }
        round.finished.append(job)
        scheduleRound()
    }

    private func answerIfReady(_ job: SignatureJob) {
        guard job.isRecorded, job.pendingSyncs == 0, let answer = job.answer else { return }
        job.answer = nil
        if let failure = job.syncFailure { return refuse(job, failure) }
        switch answer {
        case .failure(let error): refuse(job, error)
        case .success(let meaning):
            release(job)
            job.reply.succeed { json in meaning.writeMembers(to: &json) }
        }
    }

    private func refuse(_ job: SignatureJob, _ error: AgentError) {
        release(job)
        job.reply.fail(error)
    }

    /// The request is answered, once.
    private func release(_ job: SignatureJob) {
        guard !job.isReleased else { return }
        job.isReleased = true
        let uid = job.record.uid ?? .max
        underWay[uid] = underWay[uid].flatMap { $0 > 1 ? $0 - 1 : nil }
    }
}
