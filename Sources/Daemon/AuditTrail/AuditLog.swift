import DurableFile

/// The audit trail, open for writing: a hash-chained file of JSON lines.
///
/// The life of a record: `append` (in memory; computes the chain) → `flush` (one write(2) for everything pending; once
/// it returns, the record is in the file and survives the death of this process) → `synchronize` (fdatasync; once it
/// calls back, the record survives a loss of power). An intent is flushed before the signature is made. Errors are
/// final for the records concerned: what was not flushed must not be signed.
///
/// Any thread may use the log; each event loop has its own `writer()`.
public final class AuditLog: Sendable {
    private let core: AuditCore
    private let thread: AuditThread
    /// What an administrator accepted with this opening.
    private let accepted: String?

    /// Opens the trail, or starts it with a genesis record that carries a random id. Verifies the end of an existing
    /// one. What a loss of power tore is moved aside, and an event record says so. Blocks on the disk.
    /// - Parameter path: The file being written; older ones are next to it (`AuditFolder` has the names). Mode 0640.
    /// - Parameter memory: A file that stores the trail's end, once a second, so that a trail that was cut while
    ///   nothing ran is noticed here; better not in the trail's folder.
    /// - Parameter observer: Told what happens to the trail, on the log's own thread.
    /// - Throws: `AuditError` `.locked`, `.insecure`, `.damaged`, `.malformed`, `.memoryDamaged`, `.missing`,
    ///   `.shortened`, `.newerFormat`, `.storageFull`, `.failed`, `.unavailable`.
    public convenience init(
        path: String, limits: AuditLimits = .default, memory: String? = nil, observer: (@Sendable (AuditNotice) -> Void)? = nil
    ) throws(AuditError) {
        try self.init(path: path, limits: limits, calls: .real, memory: memory, observer: observer)
    }

    /// Accepts a trail that differs from what was remembered: an administrator's decision, which the trail records. No
    /// other process may have it open. Blocks on the disk.
    /// - Returns: What was accepted; `nil` if there was nothing to accept.
    /// - Throws: As for opening, except `.missing`, `.shortened` and `.memoryDamaged`.
    public static func accept(path: String, memory: String) throws(AuditError) -> String? {
        let log = try AuditLog(path: path, limits: .default, calls: .real, memory: memory, accepts: true)
        try log.close()
        return log.accepted
    }

    /// A log that accepts records and keeps none: only for the benchmark, which measures what the trail costs. No
    /// installed program and no configuration can use it.
    package convenience init(keepingNothingAt path: String) throws(AuditError) {
        try self.init(path: path, limits: .default, calls: .real, keepsRecords: false)
    }

    init(
        path: String, limits: AuditLimits, calls: FileCalls, room: (@Sendable (String) -> UInt64?)? = nil, memory: String? = nil,
        accepts: Bool = false, keepsRecords: Bool = true, observer: (@Sendable (AuditNotice) -> Void)? = nil
    ) throws(AuditError) {
        var opening = AuditOpening(
            folder: AuditFolder(path: path), limits: limits, calls: calls, memory: memory.map { AuditMemory(path: $0) }, accepts: accepts)
        if let room { opening.room = room }
        let opened = try opening.open()
        core = AuditCore(opening: opening, opened: opened, keepsRecords: keepsRecords, observer: observer)
        accepted = opened.accepted?.detail
        if let record = opened.accepted, !opened.isAcceptanceWritten {
            _ = try core.append(record)
            try core.flush(generation: nil)
        }
        if let torn = opened.torn {
            var record = AuditRecord(.event)
            record.operation = "recover-trail"
            record.detail = "\(torn.bytes) bytes after the last whole record were moved to \(torn.path)"
            _ = try core.append(record)
            try core.flush(generation: nil)
        }
        thread = try AuditThread(core: core)
    }

    deinit { thread.stop() }

    /// The trail's file.
    public var path: String { core.opening.folder.path }

    /// A writer for one event loop or thread.
    public func writer() -> AuditWriter { AuditWriter(core: core) }

    /// Appends one record and flushes it: for events and other things off the signing path.
    /// - Returns: The record's sequence.
    /// - Throws: As `AuditWriter.flush`.
    @discardableResult
    public func record(_ record: AuditRecord) throws(AuditError) -> UInt64 {
        let writer = writer()
        let sequence = try writer.append(record)
        try writer.flush()
        return sequence
    }

    /// Calls back once every record up to `sequence` is on disk: on the log's own thread, or at once on the caller's if
    /// it is already. Many callers share one fdatasync.
    /// - Parameter sequence: Of a record whose flush has succeeded.
    public func synchronize(upTo sequence: UInt64, _ completion: @escaping @Sendable (Result<Void, AuditError>) -> Void) {
        core.synchronize(upTo: sequence, completion)
    }

    /// For records that may be synced in groups (POST-as-GET, handshakes): whether `sequence` and all before it are
    /// within the group rule, at most 100 ms and 1,000 records ahead of the disk, so that replies may go out. If not,
    /// they wait for `synchronize`.
    public func isWithinGroup(_ sequence: UInt64) -> Bool { core.isWithinGroup(sequence) }

    /// The newest record in the file and its hash: what an auditor notes to detect a trail that was cut.
    public var head: AuditHead { core.head }

    /// Numbers for metrics and status.
    public var statistics: AuditStatistics { core.statistics }

    /// Why no batch can be written now, if so: a failure that the log is still recovering from, the last batch's error,
    /// a file that is not where and as it was left, or a file system without room. Looks at the disk.
    public var condition: AuditError? { core.condition }

    /// Flushes, syncs, stops the thread and releases the lock. Blocks.
    public func close() throws(AuditError) {
        // First: the thread may be storing an earlier end of the trail, which must not come after the last one.
        thread.stop()
        defer { core.tellNotices() }
        try core.close()
    }
}

/// A place in the trail: a record's sequence and hash.
public struct AuditHead: Hashable, Sendable, CustomStringConvertible {
    public var sequence: UInt64
    /// Lower-case hex.
    public var hash: String

    public init(sequence: UInt64, hash: String) {
        self.sequence = sequence
        self.hash = hash
    }

    /// Reads `sequence:hash`.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let sequence = UInt64(parts[0]), AuditHash(String(parts[1])) != nil
        else { return nil }
        self.init(sequence: sequence, hash: String(parts[1]))
    }

    public var description: String { "\(sequence):\(hash)" }
}

/// What a log has done since it was opened.
public struct AuditStatistics: Hashable, Sendable {
    /// Records in the file, without those of earlier runs.
    public var records: UInt64 = 0
    /// Calls of write(2) and of fdatasync(2).
    public var writes: UInt64 = 0
    public var synchronizations: UInt64 = 0
    /// Records written and not yet on disk.
    public var unsynced: Int = 0
    /// Batches that could not be written.
    public var failedBatches: UInt64 = 0
    public var rotations: UInt64 = 0

    public init() {}
}
