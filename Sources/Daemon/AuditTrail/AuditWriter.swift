/// One event loop's access to the log; must not be shared between threads.
///
/// Several loops share one file, so a flush of one writes the records of all, and its failure loses the records of all.
/// The writer remembers whether that happened to one of its own records, so that `flush` cannot report success for a
/// record that another loop's flush has lost.
public final class AuditWriter {
    private let core: AuditCore
    /// The log's count of failed batches when the first record since the last flush was appended.
    private var generation: UInt64?

    init(core: AuditCore) { self.core = core }

    /// Adds a record to the pending ones in memory and computes its link of the chain; about a microsecond, no system
    /// call.
    /// - Returns: The record's sequence; invalid if the flush fails.
    /// - Throws: `AuditError` `.failed`, `.closed`, `.recordTooLarge`, `.malformed` for a second genesis record.
    @discardableResult
    public func append(_ record: AuditRecord) throws(AuditError) -> UInt64 {
        var record = record
        return try append(&record)
    }

    /// The same for a record that is reused with few changes; sets its sequence.
    @discardableResult
    public func append(_ record: inout AuditRecord) throws(AuditError) -> UInt64 {
        let (sequence, generation) = try core.append(record)
        record.sequence = sequence
        if self.generation == nil { self.generation = generation }
        return sequence
    }

    /// Writes everything pending with one write(2). Blocks for the copy into the page cache, and for a rotation when a
    /// file is full.
    /// - Throws: `AuditError` `.storageFull`, `.notWritten`, `.failed`, `.closed`: then every record appended since the
    ///   last flush is undone, and nothing that they announced may be signed. After the first two the next flush tries
    ///   again by itself.
    public func flush() throws(AuditError) {
        let generation = self.generation
        self.generation = nil
        try core.flush(generation: generation)
    }
}
