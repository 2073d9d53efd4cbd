import Glibc

/// A system call that failed on a file: the path, the call and why.
public struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Cause: Hashable, Sendable {
        /// The system's error number.
        case system(Int32)
        /// A folder, a FIFO, a device or a socket where a regular file is expected.
        case notRegular
        /// The file is larger than the limit, in bytes.
        case tooLarge(limit: Int)
    }

    public var path: String
    /// The call's name, such as `rename`.
    public var call: String
    public var cause: Cause

    public init(path: String, call: String, cause: Cause) {
        self.path = path
        self.call = call
        self.cause = cause
    }

    public init(path: String, call: String, code: Int32) { self.init(path: path, call: call, cause: .system(code)) }

    /// The system's error number, or the nearest equivalent.
    public var code: Int32 {
        switch cause {
        case .system(let number): number
        case .notRegular: EINVAL
        case .tooLarge: EFBIG
        }
    }

    public var reason: String {
        switch cause {
        case .system(let number): String(cString: strerror(number))
        case .notRegular: "not a regular file"
        case .tooLarge(let limit): "larger than \(limit) bytes"
        }
    }
    public var description: String { "\(call) \"\(path)\": \(reason)" }
    public var isMissing: Bool { cause == .system(ENOENT) }
    /// Disk full, or over a quota or file-size limit: ends when space is freed.
    public var isFull: Bool { cause == .system(ENOSPC) || cause == .system(EDQUOT) || cause == .system(EFBIG) }
}
