import DurableFile
import Glibc

/// `DurableFile` with the store's errors. Interim names begin with a dot; the store's own names never do.
struct StoreFiles: Sendable {
    var calls: FileCalls

    /// Reads a regular file; `nil` if there is none. Links are not followed.
    func read(_ path: String) throws(StoreError) -> [UInt8]? {
        do throws(FileError) { return try File(reading: path, followsLink: false).read(limit: StoreFormat.maximumSize) } catch {
            if error.isMissing || error.code == ENOTDIR { return nil }
            throw StoreError(error)
        }
    }

    /// Creates or replaces a file atomically.
    func replace(_ path: String, with bytes: [UInt8], mode: UInt32) throws(StoreError) {
        try stored { () throws(FileError) in try DurableFile.replace(path, with: bytes, mode: mode, calls: calls) }
    }

    /// Removes a file and its unfinished replacement. A missing file is not an error.
    func remove(_ path: String) throws(StoreError) {
        let (folder, name) = DurableFile.split(path)
        try stored { () throws(FileError) in
            let opened: Folder
            do throws(FileError) { opened = try Folder(folder, calls: calls) } catch {
                if error.isMissing { return }
                throw error
            }
            try opened.remove(Folder.interim(name))
            try opened.remove(name)
            // Even if the file was already removed: an earlier attempt may have failed here.
            try opened.synchronize()
        }
    }

    /// Makes a folder and its missing parents, each durable in its parent.
    /// - Parameters:
    ///   - mode: of every new folder below `root`, whatever the umask is.
    ///   - root: made readable by all users; its missing parents follow the umask.
    func makeFolder(_ path: String, mode: UInt32, root: String) throws(StoreError) {
        try stored { () throws(FileError) in
            if (try? FileStatus(at: root)) == nil {
                let above = DurableFile.parent(of: root)
                if above != "." { try Folder.make(above, mode: FolderLayout.publicFolder, calls: calls) }
                try Folder.make(root, mode: FolderLayout.publicFolder, isExact: true, calls: calls)
            }
            try Folder.make(path, mode: mode, isExact: true, calls: calls)
        }
    }

    /// The names in a folder, without hidden ones; none if there is no such folder.
    func names(in path: String) throws(StoreError) -> [String] {
        do throws(FileError) { return try Folder(path, calls: calls).names().filter { $0.utf8.first != UInt8(ascii: ".") } } catch {
            if error.isMissing { return [] }
            throw StoreError(error)
        }
    }

    /// Opens an empty file for writing and closes it, which whoever watches it sees. Not durable, and no error if it fails:
    /// a watcher looks again by itself from time to time.
    func touch(_ path: String, mode: UInt32) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode)
        guard descriptor >= 0 else { return }
        _ = fchmod(descriptor, mode)
        close(descriptor)
    }

    /// Sets a symbolic link's target atomically.
    func link(_ path: String, to target: String) throws(StoreError) {
        let (folder, name) = DurableFile.split(path)
        try stored { () throws(FileError) in
            let folder = try Folder(folder, calls: calls)
            try folder.link(name, to: target)
            try folder.synchronize()
        }
    }

    /// A symbolic link's target; `nil` if there is no link.
    func target(of path: String) -> String? {
        let (folder, name) = DurableFile.split(path)
        return (try? Folder(folder, calls: calls))?.target(ofLink: name)
    }

    /// Runs a body on files and converts its errors to the store's.
    func stored<Result>(_ body: () throws(FileError) -> Result) throws(StoreError) -> Result {
        do throws(FileError) { return try body() } catch { throw StoreError(error) }
    }
}

extension StoreError {
    init(_ error: FileError) {
        switch error.cause {
        case .system(let number): self = .system(error.call, error.path, number)
        case .notRegular, .tooLarge: self.init(.damaged, path: error.path, message: error.reason)
        }
    }
}

/// The lock file of a certificate or an account.
struct FolderLock: CertificateLock {
    private let lock: FileLock

    init(_ path: String, _ what: String) throws(StoreError) {
        do throws(FileLockError) { lock = try FileLock(path) } catch {
            switch error {
            case .system(let error): throw StoreError(error)
            case .held(_, let process):
                let holder = process.map { "process \($0)" } ?? "another process"
                throw StoreError(
                    .locked, path: path, message: "\(holder) is working on \(what)",
                    hint: "wait until it is done, or stop it")
            }
        }
    }

    /// Removes the file, so that not every name that was ever tried leaves one.
    func release() { lock.release(removing: true) }
}
