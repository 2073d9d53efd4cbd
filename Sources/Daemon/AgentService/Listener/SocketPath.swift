import CLinux
import DurableFile
import Glibc

/// Why the daemon cannot listen.
struct ListenError: Error, CustomStringConvertible {
    var description: String
    var hint: String?
}

/// The daemon's claim on its socket's path: a lock next to it, held while the daemon runs. A second daemon cannot take
/// the path from the first, and a socket left over from a crash is known to be unused.
final class SocketPath: Sendable {
    /// Who may connect.
    struct Access: Hashable {
        var mode: UInt32
        /// `nil` is the daemon's own.
        var group: UInt32?
    }

    /// Changes the group of what a path names, not of what a link leads to. The result is the system's: -1 and `errno`.
    typealias ChangeGroup = @Sendable (_ path: String, _ group: UInt32) -> CInt
    static let changeGroup: ChangeGroup = { lchown($0, uid_t.max, $1) }

    /// Added to the path while the socket is made. The two must fit into a socket's address.
    static let temporarySuffix = ".new"

    let path: String
    private let lock: FileLock
    private let changeGroup: ChangeGroup

    /// Creates the folder if it is missing, takes the lock and removes a leftover socket.
    ///
    /// Refuses a folder that others can write to, since they could replace the socket.
    /// - Parameter mode: The socket's mode. A new folder belongs to the daemon's user and group and gets 0750, or 0755
    ///   if the socket is open to everybody.
    /// - Throws: `ListenError` if another daemon has the socket, or if something at the path is not a socket;
    ///   `OwnershipError`.
    init(_ path: String, mode: UInt32, changeGroup: @escaping ChangeGroup = SocketPath.changeGroup) throws {
        self.path = path
        self.changeGroup = changeGroup
        let folder = DurableFile.parent(of: path)
        // The process's umask must not decide who reaches the socket.
        try Folder.make(folder, mode: mode & 0o002 == 0 ? 0o750 : 0o755, isExact: true)
        _ = try Folder.open(folder, as: .configuration)
        lock = try SocketPath.lock(path)
        if let status = try? FileStatus(at: path) {
            guard status.kind == .socket else { throw ListenError(description: "\(path) exists and is not a socket") }
            // Somebody may have removed the lock file of a daemon that still listens.
            guard !SocketPath.isListening(path) else { throw SocketPath.inUse(path, by: nil) }
            unlink(path)
        }
    }

    private static func lock(_ path: String) throws(ListenError) -> FileLock {
        do throws(FileLockError) { return try FileLock(path + ".lock") } catch {
            switch error {
            case .held(_, let process):
                throw inUse(path, by: process)
            case .system(let error):
                throw ListenError(description: "the lock \(error.path) cannot be taken: \(error.reason)")
            }
        }
    }

    private static func inUse(_ path: String, by process: Int32?) -> ListenError {
        let number = process.map { " (process \($0))" } ?? ""
        return ListenError(
            description: "another acme-agentd listens on \(path)",
            hint: "stop it first\(number), and its socket unit if it has one, or give this one its own socket and state-directory")
    }

    /// Whether a process listens on the socket: it accepts a connection, or its queue is full.
    private static func isListening(_ path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        guard var address = address(of: path) else { return false }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) }
        }
        return connected == 0 || errno == EAGAIN
    }

    /// `nil` if the path is too long for a socket.
    private static func address(of path: String) -> sockaddr_un? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return address
    }

    /// The lock of a socket that some daemon has created, for work that must not run next to a daemon; `nil` if none
    /// has.
    /// - Throws: `ListenError` if a daemon holds it, or listens without it. A daemon that systemd passed the socket holds
    ///   no lock, but the lock file of an earlier one may be there.
    static func lockIfThere(_ path: String) throws(ListenError) -> FileLock? {
        let lock = access(path + ".lock", F_OK) == 0 ? try lock(path) : nil
        if isListening(path) {
            lock?.release()
            throw inUse(path, by: nil)
        }
        return lock
    }

    /// Binds and listens. The socket gets its group and mode before anybody can connect to its path: it is created
    /// under another name in the same folder, with a mode that admits only the owner, and then renamed.
    /// - Returns: The listening descriptor.
    func bind(_ access: Access, backlog: Int32) throws -> CInt {
        let temporary = path + SocketPath.temporarySuffix
        unlink(temporary)
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("socket") }
        guard var address = SocketPath.address(of: temporary) else {
            close(descriptor)
            throw ListenError(description: "the socket's path is too long: \(path)")
        }
        // 0177: until the rename, only the owner can use the socket.
        let mask = umask(0o177)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        umask(mask)
        do {
            guard bound == 0 else { throw failure("bind") }
            if let group = access.group { guard changeGroup(temporary, group) == 0 else { throw groupFailure(group) } }
            guard chmod(temporary, access.mode) == 0 else { throw failure("chmod") }
            guard listen(descriptor, backlog) == 0 else { throw failure("listen") }
            guard rename(temporary, path) == 0 else { throw failure("rename") }
        } catch {
            close(descriptor)
            unlink(temporary)
            throw error
        }
        return descriptor
    }

    /// Changes group and mode of the bound socket. While the group changes, and if it cannot be changed, only the owner
    /// has access: no group ever has what is meant for another.
    func give(_ access: Access) throws {
        // No other user can change a name in this folder.
        let status = try FileStatus(at: path)
        guard status.kind == .socket else { throw ListenError(description: "\(path) is not a socket any more") }
        let group = access.group ?? getegid()
        if status.group != group {
            guard chmod(path, access.mode & ~0o077) == 0 else { throw failure("chmod") }
            guard changeGroup(path, group) == 0 else { throw groupFailure(group) }
        }
        guard chmod(path, access.mode) == 0 else { throw failure("chmod") }
    }

    /// Lets another daemon use the path.
    func release() { lock.release() }

    /// Removes the socket, so that clients learn at once that the agent is gone.
    func remove() { unlink(path) }

    private func groupFailure(_ group: UInt32) -> ListenError {
        let code = errno
        return ListenError(
            description: "the socket \(path) cannot be given to the group \(group): \(String(cString: strerror(code)))",
            hint: code == EPERM ? "the daemon must be in the group: add it to SupplementaryGroups= of its unit and restart it" : nil)
    }

    private func failure(_ call: String) -> ListenError {
        ListenError(description: "\(call) of the socket \(path): \(String(cString: strerror(errno)))")
    }
}
