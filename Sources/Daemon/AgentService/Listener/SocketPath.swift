import CLinux
import DurableFile
import Glibc

/// Why the daemon cannot listen.
struct ListenError: Error, CustomStringConvertible {
    var description: String
    var hint: String?
}

/// The daemon's claim on its socket's path: a lock beside it, held while the daemon lives, so that a second daemon does not take the path away
/// from the first, and a socket left over from a crash is known to be nobody's.
final class SocketPath: Sendable {
    let path: String
    private let lock: FileLock

    /// Makes the folder if it is missing, takes the lock and removes a left-over socket.
    ///
    /// In a folder that others can write to, somebody else could put a socket in this one's place: it is refused.
    /// - Parameter mode: The socket's. The folder is made for the daemon's user and group, 0750; only if the socket lets everybody in, 0755.
    /// - Throws: `ListenError` if another daemon has the socket, or something that is no socket stands at the path; `OwnershipError`.
    init(_ path: String, mode: UInt32) throws {
        self.path = path
        let folder = DurableFile.parent(of: path)
        // The process's umask does not decide who reaches the socket.
        try Folder.make(folder, mode: mode & 0o002 == 0 ? 0o750 : 0o755, isExact: true)
        _ = try Folder.open(folder, as: .configuration)
        lock = try SocketPath.lock(path)
        var status = stat()
        if lstat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFSOCK else { throw ListenError(description: "\(path) is there already and is no socket") }
            unlink(path)
        }
    }

    private static func lock(_ path: String) throws(ListenError) -> FileLock {
        do throws(FileLockError) { return try FileLock(path + ".lock") } catch {
            switch error {
            case .held(_, let process):
                let number = process.map { " (process \($0))" } ?? ""
                throw ListenError(
                    description: "another acme-agentd listens on \(path)",
                    hint: "stop it first\(number), or give this one a socket and a state-directory of its own")
            case .system(let error):
                throw ListenError(description: "the lock \(error.path) cannot be taken: \(error.reason)")
            }
        }
    }

    /// The lock of a socket that some daemon has made, for work that must not go on beside one; `nil` where none has.
    /// - Throws: `ListenError` if a daemon has it.
    static func lockIfThere(_ path: String) throws(ListenError) -> FileLock? { access(path + ".lock", F_OK) == 0 ? try lock(path) : nil }

    /// Binds and listens. The socket gets its group and mode before anybody can connect to its path: it is made under another name in the same
    /// folder with a mode that lets nobody in but the owner, and renamed.
    /// - Returns: The listening descriptor.
    func bind(mode: UInt32, group: UInt32?, backlog: Int32) throws -> CInt {
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("socket") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(temporary.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            close(descriptor)
            throw ListenError(description: "the socket's path is too long: \(path)")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        // 0177: until the rename the socket is the owner's alone.
        let mask = umask(0o177)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        umask(mask)
        do {
            guard bound == 0 else { throw failure("bind") }
            if let group { guard chown(temporary, uid_t.max, group) == 0 else { throw failure("chown") } }
            guard chmod(temporary, mode) == 0 else { throw failure("chmod") }
            guard listen(descriptor, backlog) == 0 else { throw failure("listen") }
            guard rename(temporary, path) == 0 else { throw failure("rename") }
        } catch {
            close(descriptor)
            unlink(temporary)
            throw error
        }
        return descriptor
    }

    /// Gives the socket that was bound to its group, which was not known then.
    func give(to group: UInt32, mode: UInt32) throws {
        // Nobody else can change a name in this folder.
        guard lchown(path, uid_t.max, group) == 0 else { throw failure("chown") }
        guard chmod(path, mode) == 0 else { throw failure("chmod") }
    }

    /// Lets another daemon have the path.
    func release() { lock.release() }

    /// Takes the socket away, so that clients hear at once that nobody is there.
    func remove() { unlink(path) }

    private func failure(_ call: String) -> ListenError {
        ListenError(description: "\(call) of the socket \(path): \(String(cString: strerror(errno)))")
    }
}
