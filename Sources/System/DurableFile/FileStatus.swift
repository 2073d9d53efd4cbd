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

    init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFLNK: .link
            case S_IFSOCK: .socket
            default: .other
            }
        identity = Identity(device: UInt64(status.st_dev), number: UInt64(status.st_ino))
        owner = status.st_uid
        group = status.st_gid
        mode = status.st_mode & 0o7777
        names = Int(clamping: status.st_nlink)
        size = Int(clamping: status.st_size)
    }

    /// The status of what the path names now; of a symbolic link itself. Does not allocate if it succeeds: a program
    /// may check its own file before each write.
    public init(at path: String) throws(FileError) {
        var status = stat()
        // Passed directly, the string would be copied first.
        guard path.withCString({ lstat($0, &status) }) == 0 else { throw FileError(path: path, call: "lstat", code: errno) }
        self.init(status)
    }

    /// The status of a descriptor; `nil`, with `errno`, on failure.
    static func of(_ descriptor: Int32) -> FileStatus? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? FileStatus(status) : nil
    }
}
