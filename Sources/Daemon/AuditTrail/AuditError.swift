import DurableFile
import Glibc

/// Why the trail could not be opened, written, synced or read. What cannot be recorded is not signed
/// (Docs/decisions/0006-audit-before-deed.md).
public struct AuditError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Stable codes.
    public enum Reason: String, Sendable {
        /// No space, quota or file-size limit. The batch is undone; the trail works again by itself once there is room.
        case storageFull = "storage-full"
        /// Another failure of write(2). The batch is undone.
        case notWritten = "not-written"
        /// A failed fdatasync, or a batch that could not be undone. It is unknown what of the file is on disk, since
        /// the kernel reports a lost page once and then calls it clean. Nothing is signed until the log continues in a
        /// new file, which it does by itself.
        case failed
        /// Somebody else removed, replaced, cut or wrote the file while it was open, or gave it a second name, another
        /// owner or a mode that lets others write. The batch is undone; the trail works again if the file is restored.
        case replaced
        /// The trail ends before the record that was remembered, or has another one in its place.
        case shortened
        /// A record, or the memory of the trail, in a format that is newer than this program.
        case newerFormat = "newer-format"
        /// Another process has the trail open.
        case locked
        /// Owner, mode or kind of the file or its folder would let others write the trail.
        case insecure
        /// The trail's end does not verify, and a loss of power does not explain it.
        case damaged
        /// The memory of the trail is not readable.
        case memoryDamaged = "memory-damaged"
        /// There is no file to continue, although there was one, or none to read.
        case missing
        /// A record longer than `AuditLimits.line`.
        case recordTooLarge = "record-too-large"
        /// The log was closed.
        case closed
        /// A line that is not a record of this format.
        case malformed
        /// open(2), read(2) or the like failed.
        case unavailable
    }

    public var reason: Reason
    /// The file concerned.
    public var file: String
    /// Its line, from 1, if one is concerned.
    public var line: Int?
    /// The system's error number, 0 if none.
    public var errorNumber: Int32
    /// A sentence for a person.
    public var message: String

    public init(_ reason: Reason, file: String, errorNumber: Int32 = 0, message: String) {
        self.reason = reason
        self.file = file
        self.errorNumber = errorNumber
        self.message = message
    }

    public var description: String {
        let system = errorNumber == 0 ? "" : ": \(AuditError.text(of: errorNumber))"
        let place = line.map { "\(file):\($0)" } ?? file
        return "\(message) (\(place))\(system)"
    }

    /// A failed system call.
    init(_ error: FileError) {
        self.init(
            error.isFull ? .storageFull : .unavailable, file: error.path, errorNumber: error.code,
            message: error.isFull ? "no room for the audit trail" : "\(error.call) failed on the audit trail")
    }

    /// A failed sync.
    static func notSynced(_ error: FileError) -> AuditError {
        AuditError(.failed, file: error.path, errorNumber: error.code, message: "the audit trail could not be synced")
    }

    static func newer(_ format: Int64, _ known: Int64, file: String) -> AuditError {
        AuditError(
            .newerFormat, file: file,
            message: "written by a newer acme-agent: format \(format), and this one reads formats up to \(known); use the newer version")
    }

    static func system(_ function: StaticString, file: String, errorNumber: Int32) -> AuditError {
        AuditError(.unavailable, file: file, errorNumber: errorNumber, message: "\(function) failed on the audit trail")
    }

    static func text(of errorNumber: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 128)
        guard strerror_r(errorNumber, &buffer, buffer.count) == 0 else { return "error \(errorNumber)" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
