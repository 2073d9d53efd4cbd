import CLinux
import Glibc

/// An open folder: every name (or relative path) is looked up in this very folder, whatever its path leads to by now.
/// Links are not followed.
///
/// Temporary names begin with a dot and end with `.new`.
public final class Folder: Sendable {
    /// The path it was opened with, for messages.
    public let path: String
    let descriptor: Int32
    let calls: FileCalls

    /// Takes over a descriptor.
    init(descriptor: Int32, path: String, calls: FileCalls) {
        self.descriptor = descriptor
        self.path = path
        self.calls = calls
    }

    deinit { close(descriptor) }

    public convenience init(_ path: String, followsLink: Bool = true, calls: FileCalls = .real) throws(FileError) {
        self.init(descriptor: try Folder.open(path, in: AT_FDCWD, path: path, followsLink: followsLink), path: path, calls: calls)
    }

    private static func open(_ name: String, in folder: Int32, path: String, followsLink: Bool) throws(FileError) -> Int32 {
        let descriptor = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (followsLink ? 0 : O_NOFOLLOW))
        guard descriptor >= 0 else { throw FileError(path: path, call: "open", code: errno) }
        return descriptor
    }

    /// Makes a folder and any missing parents, each durable in its parent. An existing folder keeps its mode.
    /// - Parameters:
    ///   - mode: the mode of each new folder, less the umask.
    ///   - isExact: whether to ignore the umask.
    public static func make(_ path: String, mode: UInt32, isExact: Bool = false, calls: FileCalls = .real) throws(FileError) {
        if try makeOne(path, mode: mode, isExact: isExact) { return try DurableFile.syncFolder(of: path, calls: calls) }
        switch errno {
        case EEXIST: try checkFolder(path)
        case ENOENT:
            let above = DurableFile.parent(of: path)
            guard above.utf8.count < path.utf8.count, above != "." else { throw FileError(path: path, call: "mkdir", code: ENOENT) }
            try make(above, mode: mode, isExact: isExact, calls: calls)
            guard try makeOne(path, mode: mode, isExact: isExact) || errno == EEXIST else {
                throw FileError(path: path, call: "mkdir", code: errno)
            }
            try DurableFile.syncFolder(of: path, calls: calls)
        default: throw FileError(path: path, call: "mkdir", code: errno)
        }
    }

    /// Makes one folder with exactly this mode, regardless of the umask.
    /// - Returns: Whether it was made; `false` if the name is taken.
    public static func makeNew(_ path: String, mode: UInt32) throws(FileError) -> Bool {
        if try makeOne(path, mode: mode, isExact: true) { return true }
        guard errno == EEXIST else { throw FileError(path: path, call: "mkdir", code: errno) }
        return false
    }

    /// - Returns: Whether it was made; if not, see `errno`.
    private static func makeOne(_ path: String, mode: UInt32, isExact: Bool) throws(FileError) -> Bool {
        guard mkdir(path, mode) == 0 else { return false }
        guard isExact else { return true }
        let folder = try Folder(path, followsLink: false)
        guard fchmod(folder.descriptor, mode) == 0 else { throw folder.failure("fchmod") }
        return true
    }

    private static func checkFolder(_ path: String) throws(FileError) {
        // A link to a folder counts as a folder.
        var status = stat()
        guard stat(path, &status) == 0 else { throw FileError(path: path, call: "stat", code: errno) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw FileError(path: path, call: "mkdir", code: ENOTDIR) }
    }

    public func status() throws(FileError) -> FileStatus {
        guard let status = FileStatus.of(descriptor) else { throw failure("fstat") }
        return status
    }

    /// The status of what a name in this folder leads to now; of a symbolic link itself. Does not allocate if it
    /// succeeds.
    public func status(of name: String) throws(FileError) -> FileStatus {
        try FileStatus.look(at: name, in: descriptor, path: path(of: name))
    }

    /// The path by which the kernel finds this folder while it is open, whatever its own path leads to by now. For
    /// calls that take only paths.
    public var kernelPath: String { "/proc/self/fd/\(descriptor)" }

    /// The path of a name in it, for messages.
    func path(of name: String) -> String { path == "/" ? "/" + name : path + "/" + name }

    // MARK: Looking

    /// Opens a regular file for reading; `nil` if there is none with that name.
    public func open(reading name: String) throws(FileError) -> File? {
        let file: File
        do throws(FileError) {
            let opened = try File.openForReading(name, in: descriptor, path: path(of: name), followsLink: false)
            file = File(descriptor: opened, path: path(of: name), calls: calls)
        } catch {
            if error.isMissing { return nil }
            throw error
        }
        try file.checkRegular()
        return file
    }

    /// The content of a regular file; `nil` if there is none with that name.
    /// - Throws: `FileError`, `tooLarge` beyond `limit` bytes.
    public func read(_ name: String, limit: Int) throws(FileError) -> [UInt8]? { try open(reading: name)?.read(limit: limit) }

    /// The names in it, sorted by bytes, without `.` and `..`.
    public func names() throws(FileError) -> [String] {
        try entries().map { $0.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) } }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The names in it as the kernel returns them, ended by a zero byte. They need not be UTF-8.
    private func entries() throws(FileError) -> [[CChar]] {
        // A separate descriptor, since the read position belongs to the open file description.
        let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw failure("open") }
        guard let directory = fdopendir(copy) else {
            let error = failure("fdopendir")
            close(copy)
            throw error
        }
        defer { closedir(directory) }
        var names: [[CChar]] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                guard errno == 0 else { throw failure("readdir") }
                break
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { $0.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } }
            if name != [0x2E], name != [0x2E, 0x2E] { names.append(name + [0]) }
        }
        return names
    }

    /// The target of a symbolic link; `nil` if there is none.
    public func target(ofLink name: String) -> String? { Folder.target(ofLink: name, in: descriptor) }

    static func target(ofLink name: String, in folder: Int32) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { readlinkat(folder, name, $0.assumingMemoryBound(to: CChar.self), bytes.count) } ?? -1
        }
        guard count > 0, count < buffer.count else { return nil }
        return String(validating: buffer.prefix(count), as: UTF8.self)
    }

    // MARK: Files, written completely or not at all

    /// Creates or replaces a file. Once this returns, it survives a power loss; on an error the old file is still
    /// there.
    public func replace(_ name: String, with bytes: [UInt8], mode: UInt32, group: UInt32? = nil) throws(FileError) {
        try replaceUnsynced(name, with: bytes, mode: mode, group: group, syncsContent: true)
        try synchronize()
    }

    /// Creates a file, completely or not at all, and replaces none. Once this returns, it survives a power loss.
    /// - Throws: `FileError` with EEXIST if the name is taken.
    public func createNew(_ name: String, with bytes: [UInt8], mode: UInt32) throws(FileError) {
        let interim = Folder.interim(name)
        var isNamed = false
        do throws(FileError) {
            let file = try begin(interim, mode: mode)
            try file.write(bytes)
            try file.synchronize()
            // Unlike rename(2), link(2) fails if the name is taken.
            do throws(FileError) { try addName(name, to: interim) } catch {
                // A file system without hard links, such as that of a memory stick.
                guard error.code == EPERM || error.code == EOPNOTSUPP else { throw error }
                let code = clinux_rename_to_free_name(descriptor, interim, name)
                guard code == 0 else { throw FileError(path: path(of: name), call: "rename", code: code) }
            }
            isNamed = true
            try remove(interim)
            try synchronize()
        } catch {
            unlinkat(descriptor, interim, 0)
            if isNamed { unlinkat(descriptor, name, 0) }
            throw error
        }
    }

    /// Creates or replaces a file so that no reader sees a part of it. What a power loss leaves is undefined.
    public func replaceUnsynced(_ name: String, with bytes: [UInt8], mode: UInt32) throws(FileError) {
        try replaceUnsynced(name, with: bytes, mode: mode, group: nil, syncsContent: false)
    }

    private func replaceUnsynced(
        _ name: String, with bytes: [UInt8], mode: UInt32, group: UInt32?, syncsContent: Bool
    ) throws(FileError) {
        let interim = Folder.interim(name)
        do throws(FileError) {
            let file = try begin(interim, mode: mode)
            if let group { try file.setGroup(group) }
            try file.write(bytes)
            if syncsContent { try file.synchronize() }
            try rename(interim, to: name)
        } catch {
            unlinkat(descriptor, interim, 0)
            throw error
        }
    }

    /// Writes files and syncs them, but not this folder. All are written before the first is synced, so that the file
    /// system commits one transaction instead of one per file. After an error some may exist.
    /// - Parameter groups: of those that do not get the process's group, by name.
    public func write(_ files: [(name: String, bytes: [UInt8], mode: UInt32)], groups: [String: UInt32] = [:]) throws(FileError) {
        var begun: [File] = []
        for (name, bytes, mode) in files {
            let file = try begin(name, mode: mode)
            if let group = groups[name] { try file.setGroup(group) }
            try file.write(bytes)
            file.beginWriting()
            begun.append(file)
        }
        for file in begun { try file.synchronize() }
    }

    /// A new, empty file for appending, which replaces any file of that name.
    func begin(_ name: String, mode: UInt32) throws(FileError) -> File {
        // A leftover of an interrupted run has no owner. O_EXCL below prevents following a link.
        unlinkat(descriptor, name, 0)
        return try create(name, mode: mode)
    }

    /// A new, empty file for reading and appending. Not synced.
    /// - Throws: `FileError` with EEXIST if the name is taken.
    public func create(_ name: String, mode: UInt32) throws(FileError) -> File {
        let opened = openat(descriptor, name, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard opened >= 0 else { throw failure("open", name) }
        let file = File(descriptor: opened, path: path(of: name), calls: calls)
        try file.setMode(mode)
        return file
    }

    /// An existing file, for reading and appending; `nil` if there is none with that name.
    public func open(appending name: String) throws(FileError) -> File? {
        let opened = openat(descriptor, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        guard opened >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("open", name)
        }
        return File(descriptor: opened, path: path(of: name), calls: calls)
    }

    // MARK: Names; durable once the folder is synced

    public func rename(_ old: String, to new: String) throws(FileError) {
        guard calls.rename(descriptor, old, new) == 0 else { throw failure("rename", new) }
    }

    /// Gives a file a second name.
    public func addName(_ new: String, to old: String) throws(FileError) {
        guard Glibc.linkat(descriptor, old, descriptor, new, 0) == 0 else { throw failure("link", new) }
    }

    /// Makes a symbolic link, or changes its target, in one step.
    public func link(_ name: String, to target: String) throws(FileError) {
        let interim = Folder.interim(name)
        unlinkat(descriptor, interim, 0)
        guard symlinkat(target, descriptor, interim) == 0 else { throw failure("symlink", name) }
        do throws(FileError) { try rename(interim, to: name) } catch {
            unlinkat(descriptor, interim, 0)
            throw error
        }
    }

    /// - Returns: Whether it existed.
    @discardableResult public func remove(_ name: String) throws(FileError) -> Bool {
        guard unlinkat(descriptor, name, 0) != 0 else { return true }
        guard errno == ENOENT else { throw failure("unlink", name) }
        return false
    }

    /// - Parameter mode: the exact mode, regardless of the umask.
    public func makeFolder(_ name: String, mode: UInt32) throws(FileError) {
        guard mkdirat(descriptor, name, mode) == 0 else { throw failure("mkdir", name) }
        let folder = try folder(name)
        guard fchmod(folder.descriptor, mode) == 0 else { throw folder.failure("fchmod") }
    }

    /// A folder in this one.
    public func folder(_ name: String) throws(FileError) -> Folder {
        let opened = try Folder.open(name, in: descriptor, path: path(of: name), followsLink: false)
        return Folder(descriptor: opened, path: path(of: name), calls: calls)
    }

    /// Removes an empty folder in this one.
    public func removeFolder(_ name: String) throws(FileError) {
        guard unlinkat(descriptor, name, AT_REMOVEDIR) == 0 else { throw failure("rmdir", name) }
    }

    /// Removes a folder in this one and its content, at most `depth` folders deep; a missing folder is not an error.
    public func removeTree(_ name: String, depth: Int) throws(FileError) {
        try removeTree(Array(name.utf8CString), depth: depth)
    }

    private func removeTree(_ entry: [CChar], depth: Int) throws(FileError) {
        let name = entry.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let opened = openat(descriptor, entry, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard opened >= 0 else {
            if errno == ENOENT { return }
            throw failure("open", name)
        }
        let tree = Folder(descriptor: opened, path: path(of: name), calls: calls)
        for inner in try tree.entries() where unlinkat(tree.descriptor, inner, 0) != 0 {
            guard errno == EISDIR || errno == EPERM, depth > 0 else { throw tree.failure("unlink") }
            try tree.removeTree(inner, depth: depth - 1)
        }
        guard unlinkat(descriptor, entry, AT_REMOVEDIR) == 0 || errno == ENOENT else { throw failure("rmdir", name) }
    }

    /// Names added, removed or changed so far survive a power loss once this returns.
    public func synchronize() throws(FileError) {
        guard calls.synchronize(descriptor) == 0 else { throw failure("fsync") }
    }

    /// The temporary name that a file is written under.
    public static func interim(_ name: String) -> String { ".\(name).new" }

    private func failure(_ call: String, _ name: String? = nil) -> FileError {
        FileError(path: name.map { path(of: $0) } ?? path, call: call, code: errno)
    }
}
