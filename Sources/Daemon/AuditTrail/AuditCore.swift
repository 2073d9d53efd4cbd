import DurableFile
import Glibc
import Synchronization

/// The log's state and rules. `AuditLog` and `AuditWriter` are its interfaces; `AuditThread` does its waiting. This
/// file covers the way from a record to the file.
final class AuditCore: Sendable {
    typealias Completion = @Sendable (Result<Void, AuditError>) -> Void

    struct State: Sendable {
        var lock: FileLock?
        var file: File?
        /// Which file that is: the trail's name must lead to this one.
        var identity: FileStatus.Identity?
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
        /// Whether a pending record announces something: more than outcomes.
        var announces = false
        /// Counts batches that were lost.
        var generation: UInt64 = 0
        var lastFailure: AuditError?
        /// Batches that could not be written, until the trail has a record of the outage.
        var outage: Outage?
        /// The last record known to be on disk.
        var synced: UInt64
        var syncedHash: AuditHash
        /// Records whose sync failed: never reported as synced, whatever comes after them.
        var lost: ClosedRange<UInt64>?
        /// When the oldest unsynced record was written; nanoseconds of CLOCK_MONOTONIC.
        var unsyncedSince: UInt64 = 0
        var waiters: [(sequence: UInt64, completion: Completion)] = []
        /// Until the trail continues in a new file (`.failed`), or forever (`.closed`).
        var failure: AuditError?
        /// When to try next to continue after a failure or an outage, and the pause until the try after that;
        /// nanoseconds.
        var tryAt: UInt64 = 0
        var pause: UInt64 = 0
        /// The last record in the memory of the trail's end, and when the next one is due.
        var remembered: UInt64?
        var rememberAt: UInt64 = 0
        var isMemoryFailing = false
        /// When to check the file next if nothing is written.
        var lookAt: UInt64 = 0
        var notices: [AuditNotice] = []
        var isClosing = false
        var statistics = AuditStatistics()
    }

    /// A period in which batches could not be written.
    struct Outage: Sendable {
        var error: AuditError
        /// Milliseconds since 1970.
        var since: Int64
        var batches = 0
        var records: UInt64 = 0
        /// A batch has been written since.
        var isOver = false
    }

    let opening: AuditOpening
    let directory: Folder
    let wake = WakeSignal()
    let state: Mutex<State>
    private let observer: (@Sendable (AuditNotice) -> Void)?
    /// Whom the file belongs to.
    private let owner = geteuid()
    /// False in the benchmark's daemon without a trail.
    let keepsRecords: Bool
    var limits: AuditLimits { opening.limits }
    var path: String { opening.folder.path }

    init(
        opening: AuditOpening, opened: AuditOpening.Result, keepsRecords: Bool = true, observer: (@Sendable (AuditNotice) -> Void)? = nil
    ) {
        self.opening = opening
        directory = opened.directory
        self.keepsRecords = keepsRecords
        self.observer = observer
        let last = opened.next &- 1
        state = Mutex(
            State(
                lock: opened.lock, file: opened.file, identity: try? opened.file.status().identity, size: opened.size, first: opened.first,
                rotateAt: opening.limits.fileSize, written: last, writtenHash: opened.head, appended: last, appendedHash: opened.head,
                synced: last, syncedHash: opened.head, remembered: opened.remembered?.sequence))
    }

    func append(_ record: AuditRecord) throws(AuditError) -> (sequence: UInt64, generation: UInt64) {
        try state.withLock { (state) throws(AuditError) in
            if let failure = state.failure { throw failure }
            guard record.kind != .genesis else {
                throw AuditError(.malformed, file: path, message: "only a trail's first record is a genesis record")
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
            if record.kind != .outcome { state.announces = true }
            // The writer's flush notices a failure here, since the generation has changed.
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

    func write(_ state: inout State) throws(AuditError) {
        guard !state.pending.isEmpty, let file = state.file else { return }
        // Outcomes alone need no check: the file was checked before their intents, and is again before the next one. A
        // file that is rotated away is not checked again.
        // The thread checks the path once a second; the next batch must not forget what it found.
        let isOutage = state.outage?.isOver == false, isRotation = state.size >= state.rotateAt
        if state.announces || isOutage || isRotation, let failure = fault(state.identity, state.size, byPath: isOutage) {
            takeBack(&state, failure)
            throw failure
        }
        if isRotation, try rotate(&state, file) { return }
        state.statistics.writes &+= 1
        do throws(FileError) { try file.write(state.pending) } catch {
            let failure = AuditError(
                error.isFull ? .storageFull : .notWritten, file: path, errorNumber: error.code,
                message: "the audit trail could not be written, so nothing is signed")
            takeBack(&state, failure)
            // Whatever part of the batch is in the file must be removed, or the next record would follow half a line.
            do throws(FileError) { try file.truncate(to: state.size) } catch {
                throw fail(
                    &state, AuditError(.failed, file: path, errorNumber: error.code, message: "half a batch could not be undone"))
            }
            throw failure
        }
        commit(&state, grownBy: state.pending.count)
    }

    /// Why the file under the trail's name is not the one being written, with its last known size, its owner and no second
    /// name, and writable by nobody else; `nil` if it is. One system call.
    /// - Parameter byPath: Resolves the whole path, which also finds a folder that was moved, but costs more.
    func fault(_ identity: FileStatus.Identity?, _ size: Int, byPath: Bool) -> AuditError? {
        let status: FileStatus
        do throws(FileError) { status = try byPath ? FileStatus(at: path) : directory.status(of: opening.folder.name) } catch {
            return replaced("the audit trail's file is gone", error.code)
        }
        if status.identity != identity { return replaced("another file has taken the place of the audit trail") }
        if status.size < size { return replaced("the audit trail was cut from \(size) to \(status.size) bytes") }
        if status.size > size { return replaced("somebody else wrote \(status.size - size) bytes to the audit trail") }
        if status.owner != owner { return replaced("the audit trail's file was given to another user (uid \(status.owner))") }
        if status.mode & AuditOpening.forbidden != 0 { return replaced("the audit trail's file can be written by other users") }
        if status.names != 1 { return replaced("the audit trail's file has \(status.names) names (hard links) and must have one") }
        return nil
    }

    private func replaced(_ what: String, _ errorNumber: Int32 = 0) -> AuditError {
        AuditError(.replaced, file: path, errorNumber: errorNumber, message: "\(what), so nothing is signed")
    }

    /// The pending records are lost: the chain continues from the last one written.
    private func takeBack(_ state: inout State, _ failure: AuditError) {
        let lost = state.appended &- state.written
        state.pending.removeAll(keepingCapacity: true)
        state.announces = false
        state.appended = state.written
        state.appendedHash = state.writtenHash
        state.generation &+= 1
        state.lastFailure = failure
        state.statistics.failedBatches &+= 1
        noteOutage(&state, failure)
        state.outage?.batches += 1
        state.outage?.records &+= lost
    }

    /// Reported once until the trail is written again; the thread tries whether that is possible.
    func noteOutage(_ state: inout State, _ failure: AuditError) {
        if state.outage == nil || state.outage?.isOver == true {
            let before = state.outage
            state.outage = Outage(
                error: failure, since: before?.since ?? AuditRecord.now(), batches: before?.batches ?? 0, records: before?.records ?? 0)
            state.notices.append(.notWritten(failure))
            state.tryAt = WakeSignal.now() &+ AuditLimits.firstPause
            wake.raise()
        }
        state.outage?.error = failure
    }

    private func commit(_ state: inout State, grownBy count: Int) {
        let before = state.written
        let wasSynced = state.synced == before
        state.statistics.records &+= state.appended &- state.written
        state.size += count
        state.written = state.appended
        state.writtenHash = state.appendedHash
        state.pending.removeAll(keepingCapacity: true)
        state.announces = false
        if wasSynced { state.unsyncedSince = WakeSignal.now() }
        if state.outage?.isOver == false {
            state.outage?.isOver = true
            state.notices.append(.writtenAgain)
            wake.raise()
        }
        // Idle before: the thread starts its 50 ms. Now half full: it syncs at once. In between it need not be woken.
        let half = UInt64(limits.unsyncedRecords / 2)
        let isHalfFull = state.written &- state.synced >= half, wasHalfFull = before &- state.synced >= half
        if wasSynced || (isHalfFull && !wasHalfFull) { wake.raise() }
    }

    /// Nothing more is written until the thread has continued in a new file.
    func fail(_ state: inout State, _ failure: AuditError) -> AuditError {
        if state.appended != state.written { takeBack(&state, failure) }
        state.failure = failure
        state.lastFailure = failure
        state.generation &+= 1
        state.tryAt = WakeSignal.now()
        state.pause = AuditLimits.firstPause
        state.notices.append(.notSynced(failure))
        wake.raise()
        return failure
    }

    /// Continues in a new file that begins with the pending batch. False if there is no room for one: then the old file
    /// is kept for now.
    private func rotate(_ state: inout State, _ old: File) throws(AuditError) -> Bool {
        let folder = opening.folder
        do throws(FileError) { try old.synchronizeData() } catch { throw fail(&state, notSynced(error)) }
        let next: File
        do {
            next = try opening.makeNext(holding: state.pending, in: directory)
            try folder.exchange(first: state.first, in: directory)
        } catch {
            _ = try? directory.remove(folder.new)
            state.rotateAt = state.size + AuditLimits.rotationRetry
            return false
        }
        // From here on the new file is the trail.
        state.file = next
        state.identity = try? next.status().identity
        state.size = 0
        state.rotateAt = limits.fileSize
        state.first = state.written &+ 1
        state.statistics.rotations &+= 1
        commit(&state, grownBy: state.pending.count)
        do throws(FileError) { try directory.synchronize() } catch { throw fail(&state, .notSynced(error)) }
        return true
    }

    /// Names the trail's file, which may have had another name when it was created.
    func notSynced(_ error: FileError) -> AuditError {
        AuditError(.failed, file: path, errorNumber: error.code, message: "the audit trail could not be synced")
    }

    /// Tells the observer what happened. Runs on the log's own thread, so that a log that nobody reads delays no
    /// signature.
    func tellNotices() {
        let notices = state.withLock { state in
            defer { state.notices.removeAll() }
            return state.notices
        }
        guard let observer else { return }
        for notice in notices { observer(notice) }
    }

    // MARK: State

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

    /// Why nothing could be written now, if so.
    var condition: AuditError? {
        let (known, fault) = state.withLock { state -> (AuditError?, AuditError?) in
            let outage = state.outage.flatMap { $0.isOver ? nil : $0.error }
            let isWriting = state.failure == nil && keepsRecords && state.file != nil
            return (state.failure ?? outage, isWriting ? self.fault(state.identity, state.size, byPath: true) : nil)
        }
        if let known = known ?? fault { return known }
        guard let room = opening.room(opening.folder.folder), room == 0 else { return nil }
        return AuditError(.storageFull, file: path, errorNumber: ENOSPC, message: "there is no room for the audit trail")
    }
}
