import Glibc

extension DurableFile {
    /// Writes to a path that a user has named. A regular file is created or replaced as by `replace`. Links are
    /// followed and kept. A device or a FIFO is written into; a FIFO's reader is awaited. A path that names a
    /// descriptor of this process, such as `/dev/stdout`, is written at the descriptor's position.
    /// - Parameter mode: the mode of a regular file, regardless of the umask.
    /// - Throws: `FileError` with the given path.
    public static func write(_ bytes: [UInt8], toNamed path: String, mode: UInt32, calls: FileCalls = .real) throws(FileError) {
        do throws(FileError) {
            if let descriptor = try ownDescriptor(named: path) { return try writeInto(descriptor, path, bytes, calls) }
            let (end, kind) = try destination(of: path)
            switch kind {
            case .file?, nil: try replace(end, with: bytes, mode: mode, calls: calls)
            case .folder?: throw FileError(path: path, call: "write", code: EISDIR)
            case .link?, .socket?, .other?: try writeInto(end, bytes, calls)
            }
        } catch { throw FileError(path: path, call: error.call, cause: error.cause) }
    }

    /// As many links as the kernel follows (path_resolution(7)).
    private static let mostLinks = 40
    /// The targets of its links are not paths: what they refer to is written into.
    private static let kernelFolder = "/proc/"

    /// The descriptor of this process that a path names: `/dev/stdout`, `/dev/fd/3`, `/proc/self/fd/3`, or a link to
    /// one. If opened again, it would be overwritten from the beginning; a socket cannot be opened at all.
    public static func ownDescriptor(named path: String) throws(FileError) -> Int32? {
        var path = path
        for _ in 0...mostLinks {
            let (folder, name) = split(path)
            let isOwn = ["/dev/fd", "/proc/self/fd", "/proc/thread-self/fd", "/proc/\(getpid())/fd"].contains(folder)
            if isOwn, let number = Int32(name), number >= 0 { return number }
            guard let status = try? FileStatus(at: path), status.kind == .link, !path.utf8.starts(with: kernelFolder.utf8),
                let target = try Folder(folder).target(ofLink: name)
            else { return nil }
            path = absolute(target, in: folder)
        }
        return nil
    }

    private static func absolute(_ target: String, in folder: String) -> String {
        target.utf8.first == UInt8(ascii: "/") ? target : (folder == "/" ? "/" : folder + "/") + target
    }

    /// Where the links of a path's last component lead, and what is there; `nil` if nothing is. The kernel follows
    /// links in the folders.
    private static func destination(of path: String) throws(FileError) -> (path: String, kind: FileStatus.Kind?) {
        var path = path
        for _ in 0...mostLinks {
            let status: FileStatus
            do throws(FileError) { status = try FileStatus(at: path) } catch {
                if error.isMissing { return (path, nil) }
                throw error
            }
            guard status.kind == .link, !path.utf8.starts(with: kernelFolder.utf8) else { return (path, status.kind) }
            let (folder, name) = split(path)
            guard let target = try Folder(folder).target(ofLink: name) else { throw FileError(path: path, call: "readlink", code: EINVAL) }
            path = absolute(target, in: folder)
        }
        throw FileError(path: path, call: "open", code: ELOOP)
    }

    /// Nothing is synced: no user of a device waits for that.
    private static func writeInto(_ path: String, _ bytes: [UInt8], _ calls: FileCalls) throws(FileError) {
        // A link of the kernel may lead to a regular file, whose content must stay.
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw FileError(path: path, call: "open", code: errno) }
        try File(descriptor: descriptor, path: path, calls: calls).write(bytes)
    }

    private static func writeInto(_ own: Int32, _ path: String, _ bytes: [UInt8], _ calls: FileCalls) throws(FileError) {
        let descriptor = fcntl(own, F_DUPFD_CLOEXEC, 3)
        guard descriptor >= 0 else { throw FileError(path: path, call: "open", code: errno) }
        try File(descriptor: descriptor, path: path, calls: calls).write(bytes)
    }
}
