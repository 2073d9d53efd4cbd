import Glibc

/// Opening: the lock, the checks of owner and mode, the end of the last file verified, a torn line moved aside.
struct AuditOpening {
    let folder: AuditFolder
    let limits: AuditLimits
    let system: AuditSystem
    /// The trail's end as the agent's state remembers it.
    var memory: AuditMemory?
    /// Whether an administrator has said that a trail which is not as it was remembered is to be gone on with.
    var accepts = false

    /// What the log starts from.
    struct Result {
        var lock: AuditFile
        var file: AuditFile
        var size: Int
        /// Sequence of the file's first record; what its name will say once it is rotated.
        var first: UInt64
        var next: UInt64
        var head: AuditHash
        /// The trail's beginning, if this opening made it.
        var created: Bool
        /// Where a torn end was moved to, and how many bytes.
        var torn: (path: String, bytes: Int)?
        /// What is remembered of the trail's end.
        var remembered: AuditHead?
        /// What an administrator has accepted, to be recorded.
        var accepted: AuditRecord?
        /// It is the new file's first record already.
        var isAcceptanceWritten = false
    }

    func open() throws(AuditError) -> Result {
        try checkFolder()
        let lock = try takeLock()
        let remembered = try rememberedHead()
        unlink(folder.new)
        let older = try finishRotation(try folder.older())
        let descriptor = Glibc.open(folder.path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if descriptor < 0 {
            guard errno == ENOENT else { throw .system("open", file: folder.path, errorNumber: errno) }
            return try begin(lock: lock, older: older, remembered: remembered)
        }
        let file = AuditFile(descriptor: descriptor)
        try check(file)
        // Pages of an earlier run that could not be written are reported here if the kernel still remembers them.
        guard system.synchronize(file.descriptor) == 0 else {
            throw AuditError(.failed, file: folder.path, errorNumber: errno, message: "the audit trail could not be synced")
        }
        let size = Int(file.status?.st_size ?? 0)
        if size == 0 {
            return try begin(lock: lock, older: older, remembered: remembered)
        }
        return try readEnd(lock: lock, file: file, size: size, older: older, remembered: remembered)
    }

    private func checkFolder() throws(AuditError) {
        var status = stat()
        guard stat(folder.folder, &status) == 0 else { throw .system("stat", file: folder.folder, errorNumber: errno) }
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_mode & 0o002 == 0, status.st_uid == 0 || status.st_uid == geteuid() else {
            throw AuditError(
                .insecure, file: folder.folder,
                message: "the audit folder must belong to the agent's user or root and not be writable by everybody")
        }
    }

    /// The lock is a file of its own with mode 0600: who may read the trail must not be able to lock the agent out.
    private func takeLock() throws(AuditError) -> AuditFile {
        let descriptor = Glibc.open(folder.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw .system("open", file: folder.lock, errorNumber: errno) }
        let lock = AuditFile(descriptor: descriptor)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw .system("flock", file: folder.lock, errorNumber: errno) }
            throw AuditError(.locked, file: folder.path, message: "another process writes this audit trail")
        }
        return lock
    }

    private func check(_ file: AuditFile) throws(AuditError) {
        guard let status = file.status else { throw .system("fstat", file: folder.path, errorNumber: errno) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(), status.st_mode & 0o022 == 0, status.st_nlink == 1 else {
            throw AuditError(
                .insecure, file: folder.path,
                message: "the audit trail must be a regular file of the agent's user, writable by nobody else, with one name")
        }
    }

    /// A rotation that was cut off between the link and the rename leaves the current file with two names; the newer one goes.
    private func finishRotation(_ older: [(path: String, first: UInt64)]) throws(AuditError) -> [(path: String, first: UInt64)] {
        guard let last = older.last else { return older }
        var current = stat(), rotated = stat()
        guard lstat(folder.path, &current) == 0, lstat(last.path, &rotated) == 0, current.st_ino == rotated.st_ino,
            current.st_dev == rotated.st_dev
        else { return older }
        guard unlink(last.path) == 0 else { throw .system("unlink", file: last.path, errorNumber: errno) }
        try folder.synchronize()
        return older.dropLast()
    }

    func create(lock: AuditFile) throws(AuditError) -> Result {
        var genesis = AuditRecord(.genesis)
        var random = SystemRandomNumberGenerator()
        var id: [UInt8] = []
        for _ in 0..<16 { id.append(UInt8.random(in: 0...255, using: &random)) }
        genesis.trail = String(decoding: AuditLine.hex(id), as: UTF8.self)
        var line: [UInt8] = []
        let hash = AuditLine.append(genesis, sequence: 0, previous: .none, to: &line)
        line.append(UInt8(ascii: "\n"))
        let file = try makeNext(holding: line)
        guard rename(folder.new, folder.path) == 0 else { throw .system("rename", file: folder.path, errorNumber: errno) }
        try folder.synchronize()
        return Result(lock: lock, file: file, size: line.count, first: 0, next: 1, head: hash, created: true)
    }

    /// Makes the file that comes next under its interim name, durable, with the given lines in it.
    func makeNext(holding lines: [UInt8]) throws(AuditError) -> AuditFile {
        unlink(folder.new)
        let descriptor = Glibc.open(folder.new, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o640)
        guard descriptor >= 0 else { throw failure(of: "open", errno) }
        let file = AuditFile(descriptor: descriptor)
        // The process's umask does not decide who may read the trail.
        guard fchmod(descriptor, 0o640) == 0 else { throw failure(of: "fchmod", errno) }
        let written = system.writeAll(descriptor, lines)
        guard written == 0 else {
            unlink(folder.new)
            throw failure(of: "write", written)
        }
        guard system.synchronize(descriptor) == 0 else {
            let number = errno
            unlink(folder.new)
            throw AuditError(.failed, file: folder.new, errorNumber: number, message: "the audit trail could not be synced")
        }
        return file
    }

    private func failure(of function: StaticString, _ number: Int32) -> AuditError {
        AuditSystem.isFull(number)
            ? AuditError(.storageFull, file: folder.new, errorNumber: number, message: "no room for the audit trail")
            : .system(function, file: folder.new, errorNumber: number)
    }

    private func readEnd(
        lock: AuditFile, file: AuditFile, size: Int, older: [(path: String, first: UInt64)], remembered: AuditHead?
    ) throws(AuditError) -> Result {
        let end = try AuditEnd(file: file, size: size, path: folder.path)
        guard let last = end.entries.last else {
            throw AuditError(.damaged, file: folder.path, message: "the audit trail has no whole record at its end")
        }
        if let first = end.entries.first, end.startsAtBeginning {
            try checkJoint(first, older: older)
        }
        let next = last.record.sequence &+ 1
        let accepted = try compare(remembered, with: last, in: file, older: older)
        var torn: (path: String, bytes: Int)?
        if end.wholeSize < size {
            let path = folder.torn(sequence: next, time: AuditRecord.now())
            try moveAside(try file.read(offset: end.wholeSize, count: size - end.wholeSize, path: folder.path), to: path)
            guard system.truncate(file.descriptor, end.wholeSize) == 0, system.synchronize(file.descriptor) == 0 else {
                throw .system("ftruncate", file: folder.path, errorNumber: errno)
            }
            torn = (path, size - end.wholeSize)
        }
        guard let head = AuditHash(last.hash) else {
            throw AuditError(.damaged, file: folder.path, message: "the audit trail's last record has no hash")
        }
        var result = Result(
            lock: lock, file: file, size: end.wholeSize, first: try firstSequence(file), next: next, head: head,
            created: false, torn: torn, remembered: remembered, accepted: accepted)
        if let remembered, let hash = AuditHash(remembered.hash), accepted?.missingFrom != nil {
            // The chain goes on from what was remembered, so that the gap shows.
            result.next = remembered.sequence &+ 1
            result.head = hash
        }
        return result
    }

    private func firstSequence(_ file: AuditFile) throws(AuditError) -> UInt64 {
        let start = try file.read(offset: 0, count: AuditLineReader.maximumLine, path: folder.path)
        return try AuditEntry(line: start.prefix { $0 != UInt8(ascii: "\n") }, file: folder.path).record.sequence
    }

    /// The current file's first record must follow the last one of the file before it.
    private func checkJoint(_ first: AuditEntry, older: [(path: String, first: UInt64)]) throws(AuditError) {
        guard let before = older.last else {
            guard first.record.kind == .genesis || first.record.sequence > 0 else {
                throw AuditError(.damaged, file: folder.path, message: "the audit trail does not begin with its genesis record")
            }
            return
        }
        guard let file = try AuditFolder.openForReading(before.path),
            let last = try lastEntry(file, before.path, before: first), first.follows(last)
        else {
            throw AuditError(.damaged, file: folder.path, message: "the audit trail does not continue \(before.path)")
        }
    }

    /// The last whole record of an older file. Behind the last one that the next file counts on there may be anything.
    private func lastEntry(_ file: AuditFile, _ path: String, before next: AuditEntry) throws(AuditError) -> AuditEntry? {
        do throws(AuditError) {
            return try AuditEnd(file: file, size: Int(file.status?.st_size ?? 0), path: path).entries.last
        } catch {
            guard let missingFrom = next.record.missingFrom, missingFrom > 0 else { throw error }
            return try file.entry(of: missingFrom - 1, path: path)
        }
    }

    private func moveAside(_ bytes: [UInt8], to path: String) throws(AuditError) {
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o640)
        guard descriptor >= 0 else { throw .system("open", file: path, errorNumber: errno) }
        defer { close(descriptor) }
        let written = system.writeAll(descriptor, bytes)
        guard written == 0, fsync(descriptor) == 0 else {
            let number = written == 0 ? errno : written
            unlink(path)
            throw failure(of: "write", number)
        }
        try folder.synchronize()
    }
}

extension AuditSystem {
    /// Errors that end when somebody makes room.
    static func isFull(_ number: Int32) -> Bool { number == ENOSPC || number == EDQUOT || number == EFBIG }
}
