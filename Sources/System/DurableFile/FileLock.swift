import CLinux
import Glibc
import Synchronization

/// Why a lock was not acquired.
public enum FileLockError: Error, Sendable, CustomStringConvertible {
    /// Another process holds it; its PID, if it recorded one.
    case held(path: String, process: Int32?)
    case system(FileError)

    public var description: String {
        switch self {
        case .held(let path, let process): "\(process.map { "process \($0)" } ?? "another process") holds the lock \"\(path)\""
        case .system(let error): error.description
        }
    }
}

/// A lock file, held by flock(2): the kernel releases it when the process dies, however it dies. After locking, the
/// process checks that the file still has that name, so a holder may remove it. Its mode is 0600: a user who may read
/// what it guards must not be able to lock the owner out.
public final class FileLock: Sendable {
    /// Enough: no process loses the race for a removed file so many times in a row.
    private static let tries = 100
    private let path: String
    private let descriptor: Mutex<Int32>

    /// Takes the lock without waiting, and records this process's PID in the file.
    public init(_ path: String) throws(FileLockError) {
        self.path = path
        var taken: Int32?
        // A file that its holder removed between our open and our lock no longer guards anything.
        for _ in 0..<FileLock.tries where taken == nil { taken = try FileLock.take(path) }
        guard let opened = taken else { throw .held(path: path, process: nil) }
        descriptor = Mutex(opened)
        // Only for that message; a full disk does not stop the lock's holder.
        let number = Array("\(getpid())\n".utf8)
        if ftruncate(opened, 0) == 0 { _ = pwrite(opened, number, number.count, 0) }
    }

    /// - Returns: `nil` if the file was removed meanwhile.
    private static func take(_ path: String) throws(FileLockError) -> Int32? {
        let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard opened >= 0 else { throw .system(FileError(path: path, call: "open", code: errno)) }
        guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            let number = errno, process = holder(opened)
            close(opened)
            guard number == EWOULDBLOCK else { throw .system(FileError(path: path, call: "flock", code: number)) }
            throw .held(path: path, process: process)
        }
        guard let locked = FileStatus.of(opened), let named = try? FileStatus(at: path), locked.identity == named.identity else {
            close(opened)
            return nil
        }
        return opened
    }

    private static func holder(_ descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: bytes[..<count].prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self))
    }

    /// Releases the lock; a second call does nothing.
    /// - Parameter isRemoving: whether to remove the file too.
    public func release(removing isRemoving: Bool = false) {
        descriptor.withLock { descriptor in
            guard descriptor >= 0 else { return }
            // Remove it while the lock is held, so that another's file is never removed.
            if isRemoving { unlink(path) }
            // Explicitly, since a forked child that has not yet called exec may have the descriptor too.
            _ = flock(descriptor, LOCK_UN)
            close(descriptor)
            descriptor = -1
        }
    }

    deinit { release() }
}

extension File {
    /// Locks the file itself for writing, without waiting, until this object is gone: for a file that is never replaced
    /// while it is open, or whose holder locks the next one first. Unlike a lock file, it cannot be removed. Another
    /// user's read lock is no obstacle.
    /// - Returns: False if another process, or another opening in this one, has locked it.
    public func lockForWriting() -> Bool { clinux_write_lock(descriptor) == 0 }

    /// Whether a `FileLock` holds this file.
    public var isLocked: Bool {
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else { return errno == EWOULDBLOCK }
        _ = flock(descriptor, LOCK_UN)
        return false
    }
}
