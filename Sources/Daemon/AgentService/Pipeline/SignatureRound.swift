import AuditTrail

/// The path of all signatures of an event loop, from submission to reply: a state machine without I/O, clock, token and
/// file. It is told what happened and says what to do; ``SigningPipeline`` does it.
///
/// intent appended → in the file → token asked → outcome appended → in the file → intent on disk, if required → reply
///
/// Everything that one round of the loop brings shares one write to the trail, hence the name. After every event, in
/// every order:
/// - the token is asked for a signature only once its intent is in the file;
/// - a reply goes out only once the outcome is in the file, and the intent on disk if required;
/// - nothing is given out that waited for a failed sync;
/// - each request is answered once, and counts among its user's until then.
struct SignatureRound: Hashable {
    /// A request in progress. The serial is compared too: a late event for a former holder of the slot is ignored.
    struct Job: Hashable {
        let slot: Int
        fileprivate let serial: UInt64
    }

    enum Ending: Hashable {
        case signed
        case failed
    }

    enum State: Hashable {
        case vacant
        /// The next signature's intent is to be appended.
        case submitted
        /// Its intent is appended, and not yet known to be in the file.
        case intended
        /// Its intent is in the file, the token was asked.
        case atToken
        /// One of several signatures is made; its outcome is to be appended, then the next one's intent.
        case between
        /// The last outcome is to be appended.
        case ending(Ending)
        /// The last outcome is appended, and not yet known to be in the file.
        case concluded(Ending)
        /// The last outcome is in the file; the reply waits for the disk alone.
        case recorded(Ending)
        /// The answer is to be given.
        case answering
    }

    /// Whether the disk permits a reply.
    private enum Disk: Hashable {
        case notAwaited
        /// The record of this sequence, and all before it, must be synced first.
        case awaited(UInt64)
        /// A sync failed; ``error(of:)`` says how.
        case failed
    }

    /// What to do, in this order. Each action is answered by an event; those of one job come one after another.
    enum Action: Hashable {
        /// Answered by `intentAppended` or `notAppended`.
        case appendIntent(Job)
        /// Answered by `outcomeAppended` or `notAppended`.
        case appendOutcome(Job, Ending)
        /// Have the trail written when the loop's round ends; answered by `flushed` or `flushFailed`.
        case flush
        /// Answered by `signed` or `failed`.
        case sendToToken(Job)
        /// Have everything up to this record synced; answered by `synced` or `syncFailed`.
        case synchronize(upTo: UInt64)
        /// Give the answer that the signing produced. Followed by `answered`.
        case reply(Job)
        /// Give out no signature: the trail lacks what it must have, and ``error(of:)`` says why. Followed by `answered`.
        case withhold(Job)
    }

    private struct Entry: Hashable {
        var serial: UInt64 = 0
        var state = State.vacant
        var user: UInt32 = 0
        var waitsForDisk = false
        /// Sequence of the last intent.
        var intent: UInt64 = 0
        var disk = Disk.notAwaited
    }

    /// Requests of one user between submission and reply.
    private let requestsPerUser: Int
    private var entries: [Entry] = []
    private var vacant: [Int] = []
    private var serial: UInt64 = 0
    private var underWay: [UInt32: Int] = [:]
    private var intended: [Job] = []
    private var concluded: [Job] = []
    /// Jobs whose reply waits for a sync.
    private var awaiting: [Job] = []
    private var isFlushAsked = false
    /// Why jobs get no signature, by slot. Apart from the entries and actions, which every signature copies.
    private var errors: [Int: AuditError] = [:]

    /// What to do, in this order.
    private(set) var actions: [Action] = []

    init(requestsPerUser: Int) { self.requestsPerUser = requestsPerUser }

    /// Takes what is to be done; what that adds is taken by the next call.
    /// - Parameter taken: Its content is replaced and its memory reused.
    /// - Returns: Whether there is anything.
    mutating func takeActions(into taken: inout [Action]) -> Bool {
        taken.removeAll(keepingCapacity: true)
        swap(&taken, &actions)
        return !taken.isEmpty
    }

    func state(of job: Job) -> State { isCurrent(job) ? entries[job.slot].state : .vacant }

    /// Why a job's signature is withheld; `nil` if it is not.
    func error(of job: Job) -> AuditError? { isCurrent(job) ? errors[job.slot] : nil }

    func requestsUnderWay(of user: UInt32) -> Int { underWay[user, default: 0] }

    /// The newest intent of those whose outcome the next flush writes: what holds for it holds for those before it.
    var newestConcluded: UInt64? { concluded.lazy.map { entries[$0.slot].intent }.max() }

    // MARK: Events

    /// A request that policy has allowed.
    /// - Parameter waitsForDisk: Whether its intents must be on the disk before the reply.
    /// - Returns: `nil` if the user has too many in progress.
    mutating func submit(user: UInt32, waitsForDisk: Bool) -> Job? {
        let count = underWay[user, default: 0]
        guard count < requestsPerUser else { return nil }
        underWay[user] = count + 1
        serial &+= 1
        let entry = Entry(serial: serial, state: .submitted, user: user, waitsForDisk: waitsForDisk)
        let slot: Int
        if let free = vacant.popLast() {
            slot = free
            entries[slot] = entry
        } else {
            slot = entries.count
            entries.append(entry)
        }
        let job = Job(slot: slot, serial: serial)
        actions.append(.appendIntent(job))
        return job
    }

    mutating func intentAppended(_ job: Job, sequence: UInt64) {
        guard state(of: job) == .submitted else { return }
        entries[job.slot].state = .intended
        entries[job.slot].intent = sequence
        intended.append(job)
        askForFlush()
    }

    mutating func outcomeAppended(_ job: Job) {
        switch state(of: job) {
        case .between:
            entries[job.slot].state = .submitted
            actions.append(.appendIntent(job))
        case .ending(let ending):
            entries[job.slot].state = .concluded(ending)
            concluded.append(job)
            askForFlush()
        default: break
        }
    }

    /// A record could not be appended.
    mutating func notAppended(_ job: Job, _ error: AuditError) {
        switch state(of: job) {
        case .submitted, .between, .ending: withhold(job, error)
        default: break
        }
    }

    /// Everything that was appended is in the file.
    /// - Parameter groupHolds: Whether the trail is within the group rule, so that replies that need not wait for the
    ///   disk may go out.
    mutating func flushed(groupHolds: Bool) {
        isFlushAsked = false
        var newest: UInt64 = 0
        for job in intended where entries[job.slot].waitsForDisk { newest = max(newest, awaitDisk(job)) }
        if !groupHolds {
            for job in concluded where !entries[job.slot].waitsForDisk { newest = max(newest, awaitDisk(job)) }
        }
        // The disk works while the token does.
        if newest > 0 { actions.append(.synchronize(upTo: newest)) }
        for job in intended {
            if entries[job.slot].disk == .failed {
                // The sync of an earlier signature's intent failed: no further one is made.
                withhold(job)
                continue
            }
            entries[job.slot].state = .atToken
            actions.append(.sendToToken(job))
        }
        intended.removeAll(keepingCapacity: true)
        for job in concluded {
            guard case .concluded(let ending) = entries[job.slot].state else { continue }
            entries[job.slot].state = .recorded(ending)
            answerIfReady(job)
        }
        concluded.removeAll(keepingCapacity: true)
    }

    /// What was appended is not in the file and never will be: nothing of it is signed, and no signature made is given
    /// out.
    mutating func flushFailed(_ error: AuditError) {
        isFlushAsked = false
        for job in intended { withhold(job, error) }
        for job in concluded { withhold(job, error) }
        intended.removeAll(keepingCapacity: true)
        concluded.removeAll(keepingCapacity: true)
    }

    /// The token has signed and the signature is the pinned key's.
    /// - Parameter another: Whether the request needs a further signature.
    mutating func signed(_ job: Job, another: Bool) {
        guard state(of: job) == .atToken else { return }
        entries[job.slot].state = another ? .between : .ending(.signed)
        actions.append(.appendOutcome(job, .signed))
    }

    /// The token did not sign, or not correctly.
    mutating func failed(_ job: Job) {
        guard state(of: job) == .atToken else { return }
        entries[job.slot].state = .ending(.failed)
        actions.append(.appendOutcome(job, .failed))
    }

    mutating func synced(upTo sequence: UInt64) {
        endWaiting { disk in
            guard case .awaited(let awaited) = disk, awaited <= sequence else { return nil }
            return .success(())
        }
    }

    /// A sync failed: it is unknown what of the trail is on disk, so every job that waits for it fails.
    mutating func syncFailed(_ error: AuditError) { endWaiting { _ in .failure(error) } }

    /// The answer was given.
    mutating func answered(_ job: Job) {
        guard state(of: job) == .answering else { return }
        let user = entries[job.slot].user
        entries[job.slot] = Entry()
        if !errors.isEmpty { errors[job.slot] = nil }
        vacant.append(job.slot)
        underWay[user] = underWay[user].flatMap { $0 > 1 ? $0 - 1 : nil }
    }

    // MARK: Steps

    private func isCurrent(_ job: Job) -> Bool { entries.indices.contains(job.slot) && entries[job.slot].serial == job.serial }

    private mutating func askForFlush() {
        guard !isFlushAsked else { return }
        isFlushAsked = true
        actions.append(.flush)
    }

    /// - Returns: The record that the job's reply now waits for; 0 if it waits in vain.
    private mutating func awaitDisk(_ job: Job) -> UInt64 {
        let intent = entries[job.slot].intent
        switch entries[job.slot].disk {
        case .failed: return 0
        case .awaited: break
        case .notAwaited: awaiting.append(job)
        }
        entries[job.slot].disk = .awaited(intent)
        return intent
    }

    private mutating func endWaiting(_ outcome: (Disk) -> Result<Void, AuditError>?) {
        var kept = 0
        for index in awaiting.indices {
            let job = awaiting[index]
            // Answered already, because the trail failed in another way.
            guard isCurrent(job) else { continue }
            if let outcome = outcome(entries[job.slot].disk) {
                switch outcome {
                case .success: entries[job.slot].disk = .notAwaited
                case .failure(let error):
                    entries[job.slot].disk = .failed
                    errors[job.slot] = error
                }
                answerIfReady(job)
            } else {
                awaiting[kept] = job
                kept += 1
            }
        }
        awaiting.removeLast(awaiting.count - kept)
    }

    private mutating func answerIfReady(_ job: Job) {
        guard case .recorded = entries[job.slot].state else { return }
        switch entries[job.slot].disk {
        case .awaited: break
        case .failed: withhold(job)
        case .notAwaited:
            entries[job.slot].state = .answering
            actions.append(.reply(job))
        }
    }

    private mutating func withhold(_ job: Job, _ error: AuditError) {
        errors[job.slot] = error
        withhold(job)
    }

    private mutating func withhold(_ job: Job) {
        entries[job.slot].state = .answering
        actions.append(.withhold(job))
    }
}
