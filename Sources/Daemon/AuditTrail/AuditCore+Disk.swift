import DurableFile
import Synchronization

/// From the file to the disk, and how the trail continues after a fault: what `AuditThread` does.
extension AuditCore {
    /// What the thread must do next.
    enum Step: Sendable {
        case synchronize(File, upTo: UInt64, AuditHash)
        /// Continue in a new file after a failed sync.
        case goOn
        /// Record that batches could not be written, if that is possible now.
        case endOutage
        /// Check that the file is where and as it was left.
        case look
        /// Store the trail's end.
        case remember(AuditHead)
        case wait(until: UInt64?)
        case stop
    }

    func synchronize(upTo sequence: UInt64, _ completion: @escaping Completion) {
        let answer: Result<Void, AuditError>? = state.withLock { state in
            if let lost = state.lost, lost.contains(sequence) {
                return .failure(
                    AuditError(.failed, file: path, message: "record \(sequence) was in a file of the audit trail that could not be synced")
                )
            }
            if sequence <= state.synced { return .success(()) }
            if let failure = state.failure { return .failure(failure) }
            guard sequence <= state.written else {
                return .failure(AuditError(.notWritten, file: path, message: "record \(sequence) was never written"))
            }
            state.waiters.append((sequence, completion))
            return nil
        }
        guard let answer else { return wake.raise() }
        completion(answer)
    }

    func isWithinGroup(_ sequence: UInt64) -> Bool {
        state.withLock { state in
            guard state.failure == nil, sequence <= state.written else { return false }
            if let lost = state.lost, lost.contains(sequence) { return false }
            if sequence <= state.synced { return true }
            let age = WakeSignal.now() &- state.unsyncedSince
            return state.written &- state.synced <= UInt64(limits.unsyncedRecords)
                && age <= UInt64(limits.unsyncedMilliseconds) &* 1_000_000
        }
    }

    /// The thread's next step. A sync starts at half of what the rule allows, so that it is usually done before the
    /// limit.
    func nextStep() -> Step {
        state.withLock { state in
            let now = WakeSignal.now()
            if let failure = state.failure {
                if state.isClosing { return .stop }
                guard failure.reason == .failed else { return .wait(until: nil) }
                return now >= state.tryAt ? .goOn : .wait(until: state.tryAt)
            }
            guard let file = state.file else { return state.isClosing ? .stop : .wait(until: nil) }
            let isLooking = keepsRecords && !state.isClosing
            if isLooking, now >= state.lookAt { return .look }
            if let remember = memoryStep(state, now, isOverdue: true) { return remember }
            var until = isLooking ? state.lookAt : nil
            if state.written > state.synced {
                let due = state.unsyncedSince &+ UInt64(limits.unsyncedMilliseconds) &* 500_000
                if !state.waiters.isEmpty || state.isClosing || state.written &- state.synced >= UInt64(limits.unsyncedRecords / 2)
                    || now >= due
                {
                    return .synchronize(file, upTo: state.written, state.writtenHash)
                }
                until = min(until ?? .max, due)
            } else if state.isClosing {
                return .stop
            }
            if let outage = state.outage {
                if outage.isOver || now >= state.tryAt { return .endOutage }
                until = min(until ?? .max, state.tryAt)
            }
            if let remember = memoryStep(state, now, isOverdue: false) { return remember }
            if opening.memory != nil, state.synced != state.remembered { until = min(until ?? .max, state.rememberAt) }
            return .wait(until: until)
        }
    }

    // MARK: Syncing

    /// Syncs and answers everybody who waited for it.
    func synchronize(_ file: File, upTo sequence: UInt64, _ hash: AuditHash) {
        let started = WakeSignal.now()
        var fault: FileError?
        do throws(FileError) { try file.synchronizeData() } catch { fault = error }
        let failed = fault.map { notSynced($0) }
        let (done, result) = state.withLock { state -> ([Completion], Result<Void, AuditError>) in
            state.statistics.synchronizations &+= 1
            if let failed {
                let failure = fail(&state, failed)
                return (takeWaiters(&state, upTo: .max), .failure(failure))
            }
            if sequence > state.synced {
                state.synced = sequence
                state.syncedHash = hash
            }
            state.unsyncedSince = started
            return (takeWaiters(&state, upTo: state.synced), .success(()))
        }
        for completion in done { completion(result) }
    }

    private func takeWaiters(_ state: inout State, upTo sequence: UInt64) -> [Completion] {
        var done: [Completion] = []
        state.waiters.removeAll { waiter in
            guard waiter.sequence <= sequence else { return false }
            done.append(waiter.completion)
            return true
        }
        return done
    }

    /// Answers those who wait for what can no longer happen.
    func failWaiters() {
        let (done, failure) = state.withLock { state in
            state.failure.map { (takeWaiters(&state, upTo: .max), $0) } ?? ([], AuditError(.closed, file: path, message: ""))
        }
        for completion in done { completion(.failure(failure)) }
    }

    // MARK: After a fault

    /// How a new file begins when the old one could not be synced.
    private struct Continuation {
        var line: [UInt8] = []
        var sequence: UInt64
        var hash = AuditHash.none
        var detail: String
        var lost: ClosedRange<UInt64>?
        var old: File
        var size: Int
        var first: UInt64
        var identity: FileStatus.Identity?
    }

    /// Continues in a new, synced file: it is unknown what of the old one is on disk. Nothing else is written
    /// meanwhile.
    func goOn() {
        failWaiters()
        guard let next = state.withLock({ continuation($0) }) else { return }
        // A batch of which half was written and not undone.
        try? next.old.truncate(to: next.size)
        do {
            guard (try? FileStatus(at: path))?.identity == next.identity else {
                throw AuditError(.replaced, file: path, message: "the audit trail's file is not where it was")
            }
            let file = try opening.makeNext(holding: next.line, in: directory)
            do throws(FileError) { try opening.folder.exchange(first: next.first, in: directory) } catch {
                _ = try? directory.remove(opening.folder.new)
                throw error
            }
            // Before the folder is synced: if that fails, the next try starts from here.
            state.withLock { take(&$0, next, file) }
            try directory.synchronize()
            state.withLock { state in
                state.failure = nil
                state.notices.append(.continued(next.detail))
            }
        } catch {
            state.withLock { state in
                state.tryAt = WakeSignal.now() &+ state.pause
                state.pause = min(state.pause &* 2, AuditLimits.longestPause)
            }
        }
    }

    private func continuation(_ state: State) -> Continuation? {
        guard let failure = state.failure, let old = state.file else { return nil }
        let older = opening.folder.rotatedPath(first: state.first)
        var record = AuditRecord(.event)
        record.operation = "continue-trail"
        record.error = failure.reason.rawValue
        record.missingFrom = state.synced &+ 1
        let lost = state.written > state.synced ? state.synced &+ 1...state.written : nil
        let detail = "\(failure); \(older) may lack " + (lost.map { "records \($0.lowerBound) to \($0.upperBound)" } ?? "its end")
        record.detail = detail
        var next = Continuation(
            sequence: state.written &+ 1, detail: detail, lost: lost, old: old, size: state.size, first: state.first,
            identity: state.identity)
        next.hash = AuditLine.append(record, sequence: next.sequence, previous: state.writtenHash, to: &next.line)
        next.line.append(UInt8(ascii: "\n"))
        return next
    }

    private func take(_ state: inout State, _ next: Continuation, _ file: File) {
        state.file = file
        state.identity = try? file.status().identity
        state.size = next.line.count
        state.rotateAt = limits.fileSize
        state.first = next.sequence
        state.written = next.sequence
        state.writtenHash = next.hash
        state.appended = next.sequence
        state.appendedHash = next.hash
        state.synced = next.sequence
        state.syncedHash = next.hash
        if let lost = next.lost {
            state.lost = min(lost.lowerBound, state.lost?.lowerBound ?? .max)...max(lost.upperBound, state.lost?.upperBound ?? 0)
        }
        state.statistics.records &+= 1
        state.statistics.rotations &+= 1
    }

    /// Tries to write the trail again, with a record that says how long it could not be written.
    func endOutage() {
        state.withLock { state in
            guard let outage = state.outage, state.failure == nil else { return }
            guard state.pending.isEmpty else {
                // A batch is being built; its flush will show.
                state.tryAt = WakeSignal.now() &+ AuditLimits.firstPause
                return
            }
            var record = AuditRecord(.event)
            record.operation = "trail-not-written"
            record.error = outage.error.reason.rawValue
            let time = AuditRecord.now() &- outage.since
            let lost =
                outage.batches == 0
                ? "nothing could have been written (no record was lost)"
                : "\(outage.batches) batches of \(outage.records) records could not be written"
            record.detail = "for \(time) ms \(lost): \(outage.error)"
            let sequence = state.appended &+ 1
            state.appendedHash = AuditLine.append(record, sequence: sequence, previous: state.appendedHash, to: &state.pending)
            state.pending.append(UInt8(ascii: "\n"))
            state.announces = true
            state.appended = sequence
            do throws(AuditError) {
                try write(&state)
                state.outage = nil
            } catch {
                // This try is not one of the lost batches.
                state.outage?.batches = outage.batches
                state.outage?.records = outage.records
                state.tryAt = WakeSignal.now() &+ AuditLimits.firstPause
            }
        }
    }

    /// A change to the file is reported even if nobody asks for a signature.
    func look() {
        state.withLock { state in
            state.lookAt = WakeSignal.now() &+ AuditLimits.lookPause
            // During an outage each try to write checks the file.
            guard state.failure == nil, state.file != nil, state.outage?.isOver != false else { return }
            guard let fault = fault(state.identity, state.size, byPath: true) else { return }
            noteOutage(&state, fault)
        }
    }

    // MARK: The memory of the trail's end

    private func memoryStep(_ state: State, _ now: UInt64, isOverdue: Bool) -> Step? {
        guard opening.memory != nil, !state.isClosing, state.synced != state.remembered else { return nil }
        // Syncs that somebody waits for go first, but not forever.
        guard now >= state.rememberAt &+ (isOverdue ? AuditLimits.memoryPause : 0) else { return nil }
        return .remember(AuditHead(sequence: state.synced, hash: state.syncedHash.text))
    }

    func remember(_ head: AuditHead) {
        guard let memory = opening.memory else { return }
        var failure: AuditError?
        do throws(AuditError) { try memory.write(head) } catch { failure = error }
        state.withLock { state in
            state.rememberAt = WakeSignal.now() &+ AuditLimits.memoryPause
            if let failure {
                if !state.isMemoryFailing { state.notices.append(.notRemembered(failure)) }
            } else {
                state.remembered = head.sequence
            }
            state.isMemoryFailing = failure != nil
        }
    }

    // MARK: The end

    func stop() {
        state.withLock { $0.isClosing = true }
        wake.raise()
    }

    /// Releases file and lock in any case, and reports the first error. A second call does nothing.
    func close() throws(AuditError) {
        if failure?.reason == .closed { return }
        var lost: AuditError?
        do throws(AuditError) { try flush(generation: nil) } catch { lost = error }
        endOutage()
        let (file, written, hash) = state.withLock { ($0.failure == nil ? $0.file : nil, $0.written, $0.writtenHash) }
        if let file {
            synchronize(file, upTo: written, hash)
            let head = state.withLock { state in
                state.failure == nil && state.synced != state.remembered
                    ? AuditHead(sequence: state.synced, hash: state.syncedHash.text) : nil
            }
            if let head { remember(head) }
        }
        let failure = state.withLock { state -> AuditError? in
            let failure = state.failure
            state.failure = AuditError(.closed, file: path, message: "the audit trail is closed")
            state.file = nil
            state.lock = nil
            return failure
        }
        failWaiters()
        if let failure = lost ?? failure { throw failure }
    }
}
