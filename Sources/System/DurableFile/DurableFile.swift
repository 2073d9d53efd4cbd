import Glibc

/// A system call that failed on a file: the path, the call and `errno`.
public struct FileError: Error, Sendable, CustomStringConvertible {
    public var path: String
    public var call: String
    public var code: Int32

    public init(path: String, call: String, code: Int32) {
        self.path = path
        self.call = call
        self.code = code
    }

    public var reason: String { String(cString: strerror(code)) }
    public var description: String { "\(call) \"\(path)\": \(reason)" }
    public var isMissing: Bool { code == ENOENT }
}

/// Files that are whole or not there: written beside, synced, renamed, and the folder synced (design: "Losing nothing").
public enum DurableFile {
    /// Replaces a file's content. After the return it survives a loss of power; on an error the old content is untouched.
    /// - Throws: `FileError`.
    public static func replace(_ path: String, with bytes: [UInt8], mode: mode_t) throws(FileError) {
        let temporary = path + ".new"
        // A left-over of a run that was cut off is nobody's; O_EXCL after it keeps a link from being followed.
        unlink(temporary)
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard file >= 0 else { throw FileError(path: temporary, call: "open", code: errno) }
        do throws(FileError) {
            try write(bytes, to: file, path: temporary)
            guard fchmod(file, mode) == 0 else { throw FileError(path: temporary, call: "fchmod", code: errno) }
            guard fsync(file) == 0 else { throw FileError(path: temporary, call: "fsync", code: errno) }
        } catch {
            close(file)
            unlink(temporary)
            throw error
        }
        guard close(file) == 0 else {
            let code = errno
            unlink(temporary)
            throw FileError(path: temporary, call: "close", code: code)
        }
        guard rename(temporary, path) == 0 else {
            let code = errno
            unlink(temporary)
            throw FileError(path: path, call: "rename", code: code)
        }
        try syncFolder(of: path)
    }

    /// Removes a file; one that is not there is no error.
    public static func remove(_ path: String) throws(FileError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw FileError(path: path, call: "unlink", code: errno) }
        try syncFolder(of: path)
    }

    /// Reads a whole regular file of at most `limit` bytes. A FIFO or a device is refused, so that reading cannot hang.
    public static func read(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw FileError(path: path, call: "open", code: errno) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw FileError(path: path, call: "fstat", code: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw FileError(path: path, call: "read", code: EINVAL) }
        guard status.st_size <= limit else { throw FileError(path: path, call: "read", code: EFBIG) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(path: path, call: "read", code: errno)
            }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= limit else { throw FileError(path: path, call: "read", code: EFBIG) }
        }
    }

    /// Makes a folder and those above it that are missing.
    public static func createFolder(_ path: String, mode: mode_t) throws(FileError) {
        if mkdir(path, mode) == 0 {
            try syncFolder(of: path)
            return
        }
        switch errno {
        case EEXIST: return
        case ENOENT:
            let above = parent(of: path)
            guard above != path else { throw FileError(path: path, call: "mkdir", code: ENOENT) }
            try createFolder(above, mode: mode)
            guard mkdir(path, mode) == 0 || errno == EEXIST else { throw FileError(path: path, call: "mkdir", code: errno) }
            try syncFolder(of: path)
        default: throw FileError(path: path, call: "mkdir", code: errno)
        }
    }

    /// Names in a folder, sorted, without `.` and `..`.
    public static func names(in folder: String) throws(FileError) -> [String] {
        guard let directory = opendir(folder) else { throw FileError(path: folder, call: "opendir", code: errno) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Syncs the folder that holds a path, so that a new name in it survives a loss of power.
    public static func syncFolder(of path: String) throws(FileError) {
        let folder = parent(of: path)
        let file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw FileError(path: folder, call: "open", code: errno) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw FileError(path: folder, call: "fsync", code: errno) }
    }

    /// The folder that holds a path.
    public static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func write(_ bytes: [UInt8], to file: Int32, path: String) throws(FileError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(file, buffer.baseAddress?.advanced(by: written), buffer.count - written)
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(path: path, call: "write", code: errno)
            }
            written += count
        }
    }
}
