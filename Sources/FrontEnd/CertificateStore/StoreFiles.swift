import DurableFile
import Glibc

/// `DurableFile` with the store's errors. Interim names begin with a dot, which no name of the store does.
struct StoreFiles: Sendable {
    var calls: FileCalls

    /// Reads a regular file; `nil` if there is none. Links are not followed.
    func read(_ path: String) throws(StoreError) -> [UInt8]? {
        do throws(FileError) { return try File(reading: path, followsLink: false).read(limit: StoreFormat.maximumSize) } catch {
            if error.isMissing || error.code == ENOTDIR { return nil }
            throw StoreError(error)
        }
    }

    /// Puts a file in the place of another, or of none, in one step.
    func replace(_ path: String, with bytes: [UInt8], mode: UInt32) throws(StoreError) {
        try stored { () throws(FileError) in try DurableFile.replace(path, with: bytes, mode: mode, calls: calls) }
    }

    /// Removes a file, and what was being written in its place; one that is not there is no error.
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
            // Also where it was gone: an earlier try may have failed at this.
            try opened.synchronize()
        }
    }

    /// Makes a folder and those above it, each durable in the one above.
    /// - Parameters:
    ///   - mode: of every new one below `root`, whatever the umask is.
    ///   - root: is made readable by everybody, and those above it as the umask has it.
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

    /// The names in a folder without the hidden ones; none if there is no such folder.
    func names(in path: String) throws(StoreError) -> [String] {
        do throws(FileError) { return try Folder(path, calls: calls).names().filter { $0.utf8.first != UInt8(ascii: ".") } } catch {
            if error.isMissing { return [] }
            throw StoreError(error)
        }
    }

    /// Points a symbolic link somewhere else in one step.
    func link(_ path: String, to target: String) throws(StoreError) {
        let (folder, name) = DurableFile.split(path)
        try stored { () throws(FileError) in
            let folder = try Folder(folder, calls: calls)
            try folder.link(name, to: target)
            try folder.synchronize()
        }
    }

    /// Where a symbolic link points; `nil` if there is none.
    func target(of path: String) -> String? {
        let (folder, name) = DurableFile.split(path)
        return (try? Folder(folder, calls: calls))?.target(ofLink: name)
    }

    /// Runs a body on files and says of its failure what the store would.
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

/// The lock file of a certificate.
struct FolderLock: CertificateLock {
    private let lock: FileLock

    init(_ path: String, name: CertificateName) throws(StoreError) {
        do throws(FileLockError) { lock = try FileLock(path) } catch {
            switch error {
            case .system(let error): throw StoreError(error)
            case .held(_, let process):
                let holder = process.map { "process \($0)" } ?? "another process"
                throw StoreError(
                    .locked, path: path, message: "\(holder) is working on certificate \"\(name)\"",
                    hint: "wait until it is done, or end it")
            }
        }
    }

    /// A file for each name that was ever tried would stay otherwise.
    func release() { lock.release(removing: true) }
}
