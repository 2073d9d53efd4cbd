import Glibc

/// The calls that fail on a full or dying disk, so that a test can simulate one: the only place to inject faults.
/// Results are those of the system: -1 and `errno`.
public struct FileCalls: Sendable {
    /// write(2).
    public var write: @Sendable (_ file: Int32, _ bytes: UnsafeRawBufferPointer) -> Int = { Glibc.write($0, $1.baseAddress, $1.count) }
    /// ftruncate(2), to a size in bytes.
    public var truncate: @Sendable (_ file: Int32, _ size: Int) -> Int32 = { ftruncate($0, off_t($1)) }
    /// fsync(2), of a file or a folder.
    public var synchronize: @Sendable (_ file: Int32) -> Int32 = { fsync($0) }
    /// fdatasync(2).
    public var synchronizeData: @Sendable (_ file: Int32) -> Int32 = { fdatasync($0) }
    /// renameat(2) within one folder.
    public var rename: @Sendable (_ folder: Int32, _ old: String, _ new: String) -> Int32 = { renameat($0, $1, $0, $2) }

    public init() {}

    /// The system's own calls.
    public static let real = FileCalls()

    /// Writes everything, continuing after short or interrupted writes.
    /// - Returns: 0, or the error number of the call that failed.
    public func writeAll(_ file: Int32, _ bytes: UnsafeRawBufferPointer) -> Int32 {
        var done = 0
        while done < bytes.count {
            let wrote = write(file, UnsafeRawBufferPointer(rebasing: bytes[done...]))
            if wrote > 0 {
                done += wrote
            } else if wrote == 0 || errno != EINTR {
                // A write of nothing without an error makes no progress; treat it as a full disk.
                return wrote == 0 ? ENOSPC : errno
            }
        }
        return 0
    }
}
