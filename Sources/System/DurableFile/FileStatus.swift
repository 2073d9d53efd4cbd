import CLinux
import Glibc

/// What the system reports about a file; about an open one wherever a decision depends on it.
public struct FileStatus: Hashable, Sendable {
    public enum Kind: Hashable, Sendable { case file, folder, link, socket, other }

    /// The file's identity, whatever its name.
    public struct Identity: Hashable, Sendable {
        public var device: UInt64
        public var number: UInt64
    }

    public var kind: Kind
    public var identity: Identity
    public var owner: UInt32
    public var group: UInt32
    /// The permission bits, with set-id and sticky: at most 07777.
    public var mode: UInt32
    /// Number of names (hard links).
    public var names: Int
    /// In bytes.
    public var size: Int

    private init(_ status: clinux_status) {
        kind =
            switch status.mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFLNK: .link
            case S_IFSOCK: .socket
            default: .other
            }
        identity = Identity(device: status.device, number: status.number)
        owner = status.owner
        group = status.group
        mode = status.mode & 0o7777
        names = Int(clamping: status.names)
        size = Int(clamping: status.size)
    }

    /// The status of what the path names now; of a symbolic link itself. Does not allocate if it succeeds.
    public init(at path: String) throws(FileError) {
        self = try FileStatus.look(at: path, in: AT_FDCWD, path: path)
    }

    /// The status of what a name or relative path in an open folder leads to now; of a symbolic link itself. Does not
    /// allocate if it succeeds: a program may check its own file before each write.
    static func look(at name: String, in folder: Int32, path: @autoclosure () -> String) throws(FileError) -> FileStatus {
        var status = clinux_status()
        // Passed directly, the string would be copied first.
        let code = name.withCString { clinux_status(folder, $0, &status) }
        guard code == 0 else { throw FileError(path: path(), call: "statx", code: code) }
        return FileStatus(status)
    }

    /// The status of a descriptor; `nil`, with `errno`, on failure.
    static func of(_ descriptor: Int32) -> FileStatus? {
        var status = clinux_status()
        let code = clinux_status(descriptor, "", &status)
        guard code == 0 else {
            errno = code
            return nil
        }
        return FileStatus(status)
    }
}
