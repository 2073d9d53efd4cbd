import DurableFile
import Glibc
import JOSE

/// Opening a trail: takes the locks, checks owner and mode, verifies the end of the last file, moves a torn line aside.
struct AuditOpening {
    let folder: AuditFolder
    let limits: AuditLimits
    var calls = FileCalls.real
    /// Free bytes in the file system of a folder; `nil` if it does not say.
    var room: @Sendable (String) -> UInt64? = { folder in
        var status = statvfs()
        guard statvfs(folder, &status) == 0, status.f_blocks > 0 else { return nil }
        return UInt64(geteuid() == 0 ? status.f_bfree : status.f_bavail) &* UInt64(status.f_frsize)
    }
    /// The trail's end as the agent's state remembers it.
    var memory: AuditMemory?
    /// Whether an administrator accepts a trail that differs from what was remembered.
    var accepts = false

    /// What the log starts from.
    struct Result {
        var directory: Folder
        var lock: FileLock
        var file: File
        var size: Int
        /// Sequence of the file's first record, which becomes part of its name at rotation.
        var first: UInt64
        var next: UInt64
        var head: AuditHash
        /// Whether this opening made the file.
        var created: Bool
        /// Where a torn end was moved to, and how many bytes.
        var torn: (path: String, bytes: Int)?
        /// What is remembered of the trail's end.
        var remembered: AuditHead?
        /// What an administrator has accepted, to be recorded.
        var accepted: AuditRecord?
        /// It is already the new file's first record.
        var isAcceptanceWritten = false
    }

    func open() throws(AuditError) -> Result {
        let directory = try openFolder()
        let lock = try takeLock()
        let current = try openCurrent(in: directory)
        let remembered = try rememberedHead()
        _ = try? directory.remove(folder.new)
        let older = try finishRotation(try folder.older(), in: directory)
        var result = try goOn(current, in: directory, lock: lock, older: older, remembered: remembered.head)
        if result.accepted == nil, let damage = remembered.damage { result.accepted = AuditOpening.acceptance(damage.message) }
        return result
    }

    /// Opens the existing trail, or starts one.
    private func goOn(
        _ current: File?, in directory: Folder, lock: FileLock, older: [(path: String, first: UInt64)], remembered: AuditHead?
    ) throws(AuditError) -> Result {
        guard let file = current else { return try begin(in: directory, lock: lock, older: older, remembered: remembered) }
        try check(file)
        // Pages of an earlier run that could not be written are reported here if the kernel still remembers them.
        do throws(FileError) { try file.synchronizeData() } catch { throw .notSynced(error) }
        if try file.length == 0 { return try begin(in: directory, lock: lock, older: older, remembered: remembered) }
        return try readEnd(in: directory, lock: lock, file: file, older: older, remembered: remembered)
    }

    private func openFolder() throws(AuditError) -> Folder {
        do throws(OwnershipError) {
            // The group may have write access, for a user who moves older files away.
            return try Folder.open(
                folder.folder, as: Ownership(owner: .rootOrSelf, forbidden: 0o002, judgesWay: false), calls: calls)
        } catch {
            switch error {
            case .system(let error): throw AuditError(error)
            case .distrusted:
                throw AuditError(
                    .insecure, file: folder.folder,
                    message: "the audit folder must belong to the agent's user or root and not be writable by everybody")
            }
        }
    }

    private func takeLock() throws(AuditError) -> FileLock {
        do throws(FileLockError) { return try FileLock(folder.lock) } catch {
            switch error {
            case .held: throw locked
            case .system(let error): throw AuditError(error)
            }
        }
    }

    private var locked: AuditError { AuditError(.locked, file: folder.path, message: "another process writes this audit trail") }

    /// Opens the trail's file, if there is one, and locks it too: somebody may have removed the lock file of a process
    /// that still writes.
    private func openCurrent(in directory: Folder) throws(AuditError) -> File? {
        for _ in 0..<AuditOpening.tries {
            let opened: File?
            do throws(FileError) { opened = try directory.open(appending: folder.name) } catch { throw AuditError(error) }
            guard let file = opened else { return nil }
            guard file.lockForWriting() else { throw locked }
            // Such a process may have continued in a new file just then.
            if let status = try? file.status(), let named = try? directory.status(of: folder.name), status.identity == named.identity {
                return file
            }
        }
        throw locked
    }

    private func check(_ file: File) throws(AuditError) {
        let rule = Ownership(owner: .own, forbidden: AuditOpening.forbidden, wantsOneName: true, judgesWay: false)
        do throws(OwnershipError) { try rule.check(file, expecting: .file) } catch {
            switch error {
            case .system(let error): throw AuditError(error)
            case .distrusted(_, let reason):
                throw AuditError(
                    .insecure, file: folder.path,
                    message:
                        "the audit trail must be a regular file of the agent's user, writable by nobody else, with one name; this one \(reason)"
                )
            }
        }
    }

    /// A rotation that was interrupted between the link and the rename leaves the current file with two names; the
    /// newer name is removed.
    private func finishRotation(
        _ older: [(path: String, first: UInt64)], in directory: Folder
    ) throws(AuditError) -> [(path: String, first: UInt64)] {
        guard let last = older.last, let current = try? FileStatus(at: folder.path), let rotated = try? FileStatus(at: last.path),
            current.identity == rotated.identity
        else { return older }
        do throws(FileError) {
            try directory.remove(folder.rotated(first: last.first))
            try directory.synchronize()
        } catch { throw AuditError(error) }
        return older.dropLast()
    }

    func create(in directory: Folder, lock: FileLock) throws(AuditError) -> Result {
        var genesis = AuditRecord(.genesis)
        var random = SystemRandomNumberGenerator()
        var id: [UInt8] = []
        for _ in 0..<16 { id.append(UInt8.random(in: 0...255, using: &random)) }
        genesis.trail = Hexadecimal.encode(id)
        var line: [UInt8] = []
        let hash = AuditLine.append(genesis, sequence: 0, previous: .none, to: &line)
        line.append(UInt8(ascii: "\n"))
        let file = try putFirst(line, in: directory)
        return Result(directory: directory, lock: lock, file: file, size: line.count, first: 0, next: 1, head: hash, created: true)
    }

    /// Makes the trail's file when there is none.
    func putFirst(_ lines: [UInt8], in directory: Folder) throws(AuditError) -> File {
        let file = try makeNext(holding: lines, in: directory)
        do throws(FileError) { try directory.rename(folder.new, to: folder.name) } catch { throw AuditError(error) }
        do throws(FileError) { try directory.synchronize() } catch { throw .notSynced(error) }
        return file
    }

    /// Makes the next file under its interim name, durable, with the given lines in it.
    func makeNext(holding lines: [UInt8], in directory: Folder) throws(AuditError) -> File {
        let file: File
        do throws(FileError) {
            try directory.remove(folder.new)
            // The process's umask must not decide who may read the trail.
            file = try directory.create(folder.new, mode: AuditOpening.mode)
            // Before it gets the trail's name. Nobody else has it open.
            _ = file.lockForWriting()
            try file.write(lines)
        } catch {
            _ = try? directory.remove(folder.new)
            throw AuditError(error)
        }
        do throws(FileError) { try file.synchronizeData() } catch {
            _ = try? directory.remove(folder.new)
            throw .notSynced(error)
        }
        return file
    }

    private func readEnd(
        in directory: Folder, lock: FileLock, file: File, older: [(path: String, first: UInt64)], remembered: AuditHead?
    ) throws(AuditError) -> Result {
        let size = try file.length
        let end = try AuditEnd(file)
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
            let name = folder.torn(sequence: next, time: AuditRecord.now())
            let bytes = try file.bytes(at: end.wholeSize, count: size - end.wholeSize)
            do throws(FileError) {
                let path = try moveAside(bytes, to: name, in: directory)
                try file.truncate(to: end.wholeSize)
                try file.synchronizeData()
                torn = (path, bytes.count)
            } catch { throw AuditError(error) }
        }
        guard let head = AuditHash(last.hash) else {
            throw AuditError(.damaged, file: folder.path, message: "the audit trail's last record has no hash")
        }
        var result = Result(
            directory: directory, lock: lock, file: file, size: end.wholeSize, first: try firstSequence(file), next: next, head: head,
            created: false, torn: torn, remembered: remembered, accepted: accepted)
        if let remembered, let hash = AuditHash(remembered.hash), accepted?.missingFrom != nil {
            // The chain continues from what was remembered, so that the gap shows.
            result.next = remembered.sequence &+ 1
            result.head = hash
        }
        return result
    }

    private func firstSequence(_ file: File) throws(AuditError) -> UInt64 {
        let start = try file.bytes(at: 0, count: AuditLimits.longestLine + 1)
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
            let last = try lastEntry(file, before: first), first.follows(last)
        else {
            throw AuditError(.damaged, file: folder.path, message: "the audit trail does not continue \(before.path)")
        }
    }

    /// The last whole record of an older file. After the last one that the next file counts on, there may be anything.
    private func lastEntry(_ file: File, before next: AuditEntry) throws(AuditError) -> AuditEntry? {
        do throws(AuditError) {
            return try AuditEnd(file).entries.last
        } catch {
            guard let missingFrom = next.record.missingFrom, missingFrom > 0 else { throw error }
            return try file.entry(of: missingFrom - 1)
        }
    }

    /// - Returns: The path.
    private func moveAside(_ bytes: [UInt8], to name: String, in directory: Folder) throws(FileError) -> String {
        let file = try directory.create(name, mode: AuditOpening.mode)
        do throws(FileError) {
            try file.write(bytes)
            try file.synchronize()
        } catch {
            _ = try? directory.remove(name)
            throw error
        }
        try directory.synchronize()
        return file.path
    }

    /// Mode of the trail's files: the group may read them.
    private static let mode: UInt32 = 0o640
    /// Permission bits that the file being written must not have.
    static let forbidden: UInt32 = 0o022
    /// No process loses the race for a file that is being continued this many times in a row.
    private static let tries = 100
}
