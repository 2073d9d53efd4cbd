import Glibc
import Synchronization

/// The log's state and its rules; `AuditLog` and `AuditWriter` are its faces, `AuditThread` does its waiting.
final class AuditCore: Sendable {
    typealias Completion = @Sendable (Result<Void, AuditError>) -> Void

    struct State: Sendable {
        var lock: AuditFile?
        var file: AuditFile?
        /// Bytes of whole, written records in the file.
        var size: Int
        /// Sequence of the file's first record.
        var first: UInt64
        /// Size at which the next rotation is tried.
        var rotateAt: Int
        /// The last written record.
        var written: UInt64
        var writtenHash: AuditHash
        /// The last appended record.
        var appended: UInt64
        var appendedHash: AuditHash
        var pending: [UInt8] = []
        /// Counts batches that were lost.
        var generation: UInt64 = 0
        var lastFailure: AuditError?
        /// The last record known to be on the disk.
        var synced: UInt64
        /// When the oldest record that is not was written; nanoseconds of CLOCK_MONOTONIC.
        var unsyncedSince: UInt64 = 0
        var waiters: [(sequence: UInt64, completion: Completion)] = []
        /// Final.
        var failure: AuditError?
        var isClosing = false
        var statistics = AuditStatistics()
    }

    /// What the thread is to do next.
    enum Step: Sendable {
        case synchronize(AuditFile, upTo: UInt64)
        case wait(until: UInt64?)
        case stop
    }

    let opening: AuditOpening
    let wake = WakeSignal()
    private let state: Mutex<State>
    /// False in the benchmark's daemon without a trail.
    private let keepsRecords: Bool
    private var limits: AuditLimits { opening.limits }
    private var path: String { opening.folder.path }

    init(opening: AuditOpening, opened: AuditOpening.Result, keepsRecords: Bool = true) {
        self.opening = opening
        self.keepsRecords = keepsRecords
        let last = opened.next &- 1
        state = Mutex(
            State(
                lock: opened.lock, file: opened.file, size: opened.size, first: opened.first, rotateAt: opening.limits.fileSize,
                written: last,
                writtenHash: opened.head, appended: last, appendedHash: opened.head, synced: last))
    }

    func append(_ record: AuditRecord) throws(AuditError) -> (sequence: UInt64, generation: UInt64) {
        try state.withLock { (state) throws(AuditError) in
            if let failure = state.failure { throw failure }
            guard record.kind != .genesis else {
                throw AuditError(.malformed, file: path, message: "a trail has one genesis record, its first")
            }
            let sequence = state.appended &+ 1
            guard keepsRecords else {
                state.appended = sequence
                state.written = sequence
                state.synced = sequence
                return (sequence, state.generation)
            }
            let start = state.pending.count
            let hash = AuditLine.append(record, sequence: sequence, previous: state.appendedHash, to: &state.pending)
            let length = state.pending.count - start
            guard length <= limits.line else {
                state.pending.removeLast(length)
                throw AuditError(.recordTooLarge, file: path, message: "an audit record of \(length) bytes is too long")
            }
            let generation = state.generation
            state.pending.append(UInt8(ascii: "\n"))
            state.appended = sequence
            state.appendedHash = hash
            // A failure here is seen by the writer's flush, since it counts up the generation.
            if state.pending.count > AuditLimits.pending { try? write(&state) }
            return (sequence, generation)
        }
    }

    func flush(generation: UInt64?) throws(AuditError) {
        try state.withLock { (state) throws(AuditError) in
            if let failure = state.failure { throw failure }
            try write(&state)
            if let generation, generation != state.generation {
                throw state.lastFailure ?? AuditError(.notWritten, file: path, message: "audit records were lost")
            }
        }
    }

    private func write(_ state: inout State) throws(AuditError) {
        guard !state.pending.isEmpty, let file = state.file else { return }
        if state.size >= state.rotateAt, try rotate(&state, file) { return }
        state.statistics.writes &+= 1
        let number = opening.system.writeAll(file.descriptor, state.pending)
        guard number == 0 else {
            let failure = AuditError(
                AuditSystem.isFull(number) ? .storageFull : .notWritten, file: path, errorNumber: number,
                message: "the audit trail could not be written, so nothing is signed")
            takeBack(&state, failure)
            // Whatever part of the batch is in the file must go, or the next record would follow half a line.
            guard opening.system.truncate(file.descriptor, state.size) == 0 else {
                throw fail(&state, AuditError(.failed, file: path, errorNumber: errno, message: "half a batch could not be taken back"))
            }
            throw failure
        }
        commit(&state, grownBy: state.pending.count)
    }

    /// The pending records are lost: the chain goes on from the last one written.
    private func takeBack(_ state: inout State, _ failure: AuditError) {
        state.pending.removeAll(keepingCapacity: true)
        state.appended = state.written
        state.appendedHash = state.writtenHash
        state.generation &+= 1
        state.lastFailure = failure
        state.statistics.failedBatches &+= 1
    }

    private func commit(_ state: inout State, grownBy count: Int) {
        let before = state.written
        let wasSynced = state.synced == before
        state.statistics.records &+= state.appended &- state.written
        state.size += count
        state.written = state.appended
        state.writtenHash = state.appendedHash
        state.pending.removeAll(keepingCapacity: true)
        if wasSynced { state.unsyncedSince = WakeSignal.now() }
        // Idle before: the thread starts its 50 ms. Now half full: it syncs at once. Between the two it need not be woken.
        let half = UInt64(limits.unsyncedRecords / 2)
        let isHalfFull = state.written &- state.synced >= half, wasHalfFull = before &- state.synced >= half
        if wasSynced || (isHalfFull && !wasHalfFull) { wake.raise() }
    }

    private func fail(_ state: inout State, _ failure: AuditError) -> AuditError {
        state.failure = failure
        wake.raise()
        return failure
    }

    /// Goes on in a new file that begins with the pending batch. False if there is no room for one: then the old file is kept for now.
    private func rotate(_ state: inout State, _ old: AuditFile) throws(AuditError) -> Bool {
        let folder = opening.folder
        guard opening.system.synchronize(old.descriptor) == 0 else {
            let failure = AuditError(.failed, file: path, errorNumber: errno, message: "the audit trail could not be synced")
            takeBack(&state, failure)
            throw fail(&state, failure)
        }
        let next: AuditFile
        do throws(AuditError) {
            next = try opening.makeNext(holding: state.pending)
            guard link(folder.path, folder.rotated(first: state.first)) == 0 else {
                throw .system("link", file: folder.path, errorNumber: errno)
            }
            guard rename(folder.new, folder.path) == 0 else {
                let number = errno
                unlink(folder.rotated(first: state.first))
                throw .system("rename", file: folder.path, errorNumber: number)
            }
        } catch {
            unlink(folder.new)
            state.rotateAt = state.size + AuditLimits.rotationRetry
            return false
        }
        // From here on the new file is the trail.
        state.file = next
        state.size = 0
        state.rotateAt = limits.fileSize
        state.first = state.written &+ 1
        state.statistics.rotations &+= 1
        commit(&state, grownBy: state.pending.count)
        do throws(AuditError) { try folder.synchronize() } catch {
            state.generation &+= 1
            state.lastFailure = error
            throw fail(&state, error)
        }
        return true
    }

    func synchronize(upTo sequence: UInt64, _ completion: @escaping Completion) {
        let answer: Result<Void, AuditError>? = state.withLock { state in
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
            if sequence <= state.synced { return true }
            let age = WakeSignal.now() &- state.unsyncedSince
            return state.written &- state.synced <= UInt64(limits.unsyncedRecords)
                && age <= UInt64(limits.unsyncedMilliseconds) &* 1_000_000
        }
    }

    /// The thread's question. It starts at half of what the rule allows, so that the sync is usually over before the rule is met.
    func nextStep() -> Step {
        state.withLock { state in
            if state.failure != nil { return state.isClosing ? .stop : .wait(until: nil) }
            guard let file = state.file, state.written > state.synced else { return state.isClosing ? .stop : .wait(until: nil) }
            let due = state.unsyncedSince &+ UInt64(limits.unsyncedMilliseconds) &* 500_000
            if !state.waiters.isEmpty || state.isClosing || state.written &- state.synced >= UInt64(limits.unsyncedRecords / 2)
                || WakeSignal.now() >= due
            {
                return .synchronize(file, upTo: state.written)
            }
            return .wait(until: due)
        }
    }

    /// Syncs and answers everybody who waited for it.
    func synchronize(_ file: AuditFile, upTo sequence: UInt64) {
        let started = WakeSignal.now()
        let number = opening.system.synchronize(file.descriptor) == 0 ? 0 : errno
        let (done, result) = state.withLock { state -> ([Completion], Result<Void, AuditError>) in
            state.statistics.synchronizations &+= 1
            guard number == 0 else {
                let failure = AuditError(
                    .failed, file: path, errorNumber: number,
                    message: "the audit trail could not be synced; nothing is signed until it is opened again")
                state.failure = failure
                return (takeWaiters(&state, upTo: .max), .failure(failure))
            }
            if sequence > state.synced { state.synced = sequence }
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

    /// Answers those who wait for what cannot come any more.
    func failWaiters() {
        let (done, failure) = state.withLock { state in
            state.failure.map { (takeWaiters(&state, upTo: .max), $0) } ?? ([], AuditError(.closed, file: path, message: ""))
        }
        for completion in done { completion(.failure(failure)) }
    }

    func stop() {
        state.withLock { $0.isClosing = true }
        wake.raise()
    }

    /// Gives file and lock back whatever happens, and reports the first thing that went wrong. A second time does nothing.
    func close() throws(AuditError) {
        if failure?.reason == .closed { return }
        var lost: AuditError?
        do throws(AuditError) { try flush(generation: nil) } catch { lost = error }
        let (file, written) = state.withLock { ($0.failure == nil ? $0.file : nil, $0.written) }
        if let file { synchronize(file, upTo: written) }
        let failure = state.withLock { state -> AuditError? in
            let failure = state.failure
            if failure == nil { state.failure = AuditError(.closed, file: path, message: "the audit trail is closed") }
            state.file = nil
            state.lock = nil
            return failure
        }
        failWaiters()
        if let failure = lost ?? failure { throw failure }
    }

    var head: AuditHead {
        state.withLock { AuditHead(sequence: $0.written, hash: $0.writtenHash.text) }
    }

    var statistics: AuditStatistics {
        state.withLock { state in
            var statistics = state.statistics
            statistics.unsynced = Int(clamping: state.written &- state.synced)
            return statistics
        }
    }

    var failure: AuditError? { state.withLock { $0.failure } }
}
