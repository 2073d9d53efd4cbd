import Glibc

/// The calls that a full or dying disk makes fail, so that tests can be that disk. Results as of the system's: -1 and `errno`.
struct StoreSystem: Sendable {
    var write: @Sendable (Int32, UnsafeRawBufferPointer) -> Int = { Glibc.write($0, $1.baseAddress, $1.count) }
    var synchronize: @Sendable (Int32) -> Int32 = { fsync($0) }
    var rename: @Sendable (String, String) -> Int32 = { Glibc.rename($0, $1) }

    static let real = StoreSystem()
}

/// Files and folders that are there after a loss of power once a call returns: write, fsync, rename, fsync of the folder (design.md, Losing
/// nothing). Interim names begin with a dot, which no name of the store does.
struct DurableFiles: Sendable {
    var system: StoreSystem

    /// Reads a regular file; `nil` if there is none.
    func read(_ path: String, limit: Int = StoreFormat.maximumSize) throws(StoreError) -> [UInt8]? {
        // O_NONBLOCK: a FIFO put in its place must not make the program wait for ever.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw .system("open", path, errno)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("fstat", path, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw StoreError(.damaged, path: path, message: "not a regular file") }
        guard status.st_size <= limit else { throw StoreError(.damaged, path: path, message: "larger than \(limit) bytes") }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= limit {
            let got = Glibc.read(descriptor, &chunk, chunk.count)
            if got == 0 { return bytes }
            if got < 0 {
                if errno == EINTR { continue }
                throw .system("read", path, errno)
            }
            bytes.append(contentsOf: chunk[..<got])
        }
        throw StoreError(.damaged, path: path, message: "larger than \(limit) bytes")
    }

    /// Puts a file in the place of another, or of none, in one step.
    func replace(_ path: String, with bytes: [UInt8], mode: mode_t) throws(StoreError) {
        let (folder, name) = DurableFiles.split(path)
        let interim = "\(folder)/.\(name).new"
        do throws(StoreError) {
            try create(interim, with: bytes, mode: mode)
            guard system.rename(interim, path) == 0 else { throw .system("rename", path, errno) }
        } catch {
            unlink(interim)
            throw error
        }
        try synchronize(folder: folder)
    }

    /// Writes a file that is not there yet or may be written over, and syncs it, but not its folder.
    func create(_ path: String, with bytes: [UInt8], mode: mode_t) throws(StoreError) { try create([(path, bytes)], mode: mode) }

    /// Writes files that are not there yet or may be written over, and syncs them, but not their folders. All are written before the first is
    /// synced, so that the file system has one transaction to commit and not one for each.
    func create(_ files: [(path: String, bytes: [UInt8])], mode: mode_t) throws(StoreError) {
        var open: [(path: String, descriptor: Int32)] = []
        var failure: StoreError?
        do throws(StoreError) {
            for file in files {
                open.append((file.path, try begin(file.path, mode: mode)))
                let number = file.bytes.withUnsafeBytes { writeAll(open[open.count - 1].descriptor, $0) }
                guard number == 0 else { throw .system("write", file.path, number) }
                // Linux begins to write the file's pages, which fsync then only waits for; a system that does not loses time alone.
                _ = posix_fadvise(open[open.count - 1].descriptor, 0, 0, POSIX_FADV_DONTNEED)
            }
            for file in open { guard system.synchronize(file.descriptor) == 0 else { throw .system("write", file.path, errno) } }
        } catch {
            failure = error
        }
        // Some file systems report a failed write only here.
        for file in open where close(file.descriptor) != 0 { failure = failure ?? .system("write", file.path, errno) }
        if let failure { throw failure }
    }

    private func begin(_ path: String, mode: mode_t) throws(StoreError) -> Int32 {
        unlink(path)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw .system("open", path, errno) }
        return descriptor
    }

    private func writeAll(_ descriptor: Int32, _ buffer: UnsafeRawBufferPointer) -> Int32 {
        var done = 0
        while done < buffer.count {
            let wrote = system.write(descriptor, UnsafeRawBufferPointer(rebasing: buffer[done...]))
            if wrote > 0 {
                done += wrote
            } else if wrote == 0 || errno != EINTR {
                return wrote == 0 ? ENOSPC : errno
            }
        }
        return 0
    }

    /// Makes a folder and those above it, each durable in the one above.
    func makeFolder(_ path: String, mode: mode_t = 0o755) throws(StoreError) {
        if mkdir(path, mode) == 0 { return try synchronize(folder: DurableFiles.split(path).folder) }
        switch errno {
        case EEXIST:
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                throw StoreError(.unavailable, path: path, message: "something that is not a folder is in the way")
            }
        case ENOENT:
            let above = DurableFiles.split(path).folder
            guard above.utf8.count < path.utf8.count, above != "." else { throw .system("mkdir", path, ENOENT) }
            try makeFolder(above, mode: mode)
            guard mkdir(path, mode) == 0 || errno == EEXIST else { throw .system("mkdir", path, errno) }
            try synchronize(folder: above)
        default: throw .system("mkdir", path, errno)
        }
    }

    func synchronize(folder: String) throws(StoreError) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", folder, errno) }
        defer { close(descriptor) }
        guard system.synchronize(descriptor) == 0 else { throw .system("fsync", folder, errno) }
    }

    /// The names in a folder, hidden ones left out unless asked for; none if there is no such folder.
    func names(in folder: String, hidden: Bool = false) throws(StoreError) -> [String] {
        guard let directory = opendir(folder) else {
            if errno == ENOENT { return [] }
            throw .system("opendir", folder, errno)
        }
        defer { closedir(directory) }
        var result: [String] = []
        while let entry = readdir(directory) {
            let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            let isHidden = bytes.first == UInt8(ascii: ".")
            guard isHidden == hidden, bytes != [0x2E], bytes != [0x2E, 0x2E] else { continue }
            result.append(String(decoding: bytes, as: UTF8.self))
        }
        return result.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Points a symbolic link somewhere else in one step.
    func link(_ path: String, to target: String) throws(StoreError) {
        try linkUnsynced(path, to: target)
        try synchronize(folder: DurableFiles.split(path).folder)
    }

    /// The same, durable when the folder is synced.
    func linkUnsynced(_ path: String, to target: String) throws(StoreError) {
        let (folder, name) = DurableFiles.split(path)
        let interim = "\(folder)/.\(name).new"
        unlink(interim)
        guard symlink(target, interim) == 0 else { throw .system("symlink", path, errno) }
        guard system.rename(interim, path) == 0 else {
            let number = errno
            unlink(interim)
            throw .system("rename", path, number)
        }
    }

    /// Where a symbolic link points; `nil` if there is none.
    func target(of path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4_096)
        let count = readlink(path, &buffer, buffer.count)
        guard count > 0, count < buffer.count else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func remove(_ path: String) throws(StoreError) {
        guard unlink(path) == 0 else {
            if errno == ENOENT { return }
            throw .system("unlink", path, errno)
        }
        try synchronize(folder: DurableFiles.split(path).folder)
    }

    /// Removes a folder of the store with what is in it; the store's folders are at most three deep, so that this ends.
    func removeTree(_ path: String, depth: Int = 4) throws(StoreError) {
        for hidden in [false, true] {
            for name in try names(in: path, hidden: hidden) {
                let inner = "\(path)/\(name)"
                if unlink(inner) != 0 {
                    guard errno == EISDIR || errno == EPERM, depth > 0 else { throw .system("unlink", inner, errno) }
                    try removeTree(inner, depth: depth - 1)
                }
            }
        }
        guard rmdir(path) == 0 || errno == ENOENT else { throw .system("rmdir", path, errno) }
    }

    static func split(_ path: String) -> (folder: String, name: String) {
        let bytes = path.utf8
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
        let name = String(decoding: bytes[bytes.index(after: slash)...], as: UTF8.self)
        return (slash == bytes.startIndex ? "/" : String(decoding: bytes[..<slash], as: UTF8.self), name)
    }
}
