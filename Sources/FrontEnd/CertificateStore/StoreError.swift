import ACME
import Glibc

/// Why the store could not read, write or accept something. The earlier contents are unchanged.
public struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Stable codes.
    public enum Reason: String, CaseIterable, Sendable {
        /// No space left, or a quota or file-size limit was reached.
        case storageFull = "storage-full"
        /// Any other failure of the file system.
        case unavailable
        /// Another process works on this certificate.
        case locked
        /// A file that is not in the form that this program writes.
        case damaged
        /// A file written by a newer version of this program.
        case newerFormat = "newer-format"
        /// A text that cannot be a certificate's name.
        case invalidName = "invalid-name"
        /// Nothing has that name.
        case notFound = "not-found"
        /// A downloaded chain that must not be installed; the message says why.
        case chainRefused = "chain-refused"
    }

    public var reason: Reason
    /// The file or folder concerned, if any.
    public var path: String?
    /// The system's error number, 0 if none.
    public var errorNumber: Int32
    /// One sentence without a full stop, safe for a terminal.
    public var message: String
    /// What to do about it, if known.
    public var hint: String?

    public init(_ reason: Reason, path: String? = nil, errorNumber: Int32 = 0, message: String, hint: String? = nil) {
        self.reason = reason
        self.path = path.map { TerminalText.safe($0) }
        self.errorNumber = errorNumber
        self.message = message
        self.hint = hint
    }

    public var description: String {
        let place = path.map { " (\($0))" } ?? ""
        return errorNumber == 0 ? message + place : "\(message)\(place): \(StoreError.text(of: errorNumber))"
    }

    /// From a failed system call.
    static func system(_ function: String, _ path: String, _ number: Int32) -> StoreError {
        switch number {
        case ENOSPC, EDQUOT, EFBIG:
            StoreError(
                .storageFull, path: path, errorNumber: number, message: "the file cannot be written",
                hint: "free some space and run the command again; it resumes where it stopped")
        case EROFS:
            StoreError(.unavailable, path: path, errorNumber: number, message: "the store is on a read-only file system")
        case EACCES, EPERM:
            StoreError(
                .unavailable, path: path, errorNumber: number, message: "this user may not use the store",
                hint: "run as the owner of the state directory, or set state-directory")
        default: StoreError(.unavailable, path: path, errorNumber: number, message: "\(function) failed")
        }
    }

    /// Adds a hint about a damaged file, unless there is one.
    func advising(_ hint: String) -> StoreError {
        guard reason == .damaged, self.hint == nil else { return self }
        var error = self
        error.hint = hint
        return error
    }

    static func text(of number: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 128)
        guard strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
