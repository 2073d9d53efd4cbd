/// The bounds of an audit trail.
public struct AuditLimits: Sendable {
    /// A file this large (bytes) is rotated before the next batch. 64 MiB holds about 130,000 records and is verified
    /// in a second.
    public var fileSize: Int
    /// A record whose line would be longer (bytes) is refused; at most 512 KiB, which readers rely on. 1,000 names of
    /// 253 bytes and a long URL fit.
    public var line: Int
    /// How far the disk may lag behind for records that nobody waits for: 100 ms …
    public var unsyncedMilliseconds: Int
    /// … or 1,000 records, whichever comes first.
    public var unsyncedRecords: Int

    public init(
        fileSize: Int = 64 << 20, line: Int = AuditLimits.longestLine, unsyncedMilliseconds: Int = 100, unsyncedRecords: Int = 1_000
    ) {
        self.fileSize = fileSize
        self.line = min(line, AuditLimits.longestLine)
        self.unsyncedMilliseconds = unsyncedMilliseconds
        self.unsyncedRecords = unsyncedRecords
    }

    public static let `default` = AuditLimits()

    /// Longest line in bytes under any limits; readers rely on it.
    public static let longestLine = 512 << 10
    /// Pending bytes beyond which `append` flushes by itself: bounds memory if a round of the loop accepts very many
    /// requests.
    static let pending = 4 << 20
    /// How much of the last file is verified when a trail is opened (bytes): more than two of the longest lines, and
    /// read in a millisecond.
    static let tail = 2 << 20
    /// The pause until the next try to write again or to continue in a new file: the first one, and the longest
    /// (nanoseconds).
    static let firstPause: UInt64 = 1_000_000_000
    static let longestPause: UInt64 = 30_000_000_000
    /// How often the trail's end is stored (nanoseconds).
    static let memoryPause: UInt64 = 1_000_000_000
    /// How often the file is checked if nothing is written (nanoseconds).
    static let lookPause: UInt64 = 1_000_000_000
    /// After a rotation that failed (no space for a new file), the old one grows by this much before the next try.
    static let rotationRetry = 1 << 20
}
