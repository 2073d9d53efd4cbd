import Glibc
import Synchronization

/// Why a lock was not had.
public enum FileLockError: Error, Sendable, CustomStringConvertible {
    /// Another process has it; its number if it noted one.
    case held(path: String, process: Int32?)
    case system(FileError)

    public var description: String {
        switch self {
        case .held(let path, let process): "\(process.map { "process \($0)" } ?? "another process") holds the lock \"\(path)\""
        case .system(let error): error.description
        }
    }
}

/// A lock file, held by flock(2): the kernel gives it back when the process dies, however it dies. Whoever has locked a
/// file looks whether it is still the one of that name, so that a holder may remove it. Its mode is 0600: a user who may
/// read what it guards must not be able to lock the owner out.
public final class FileLock: Sendable {
    /// So often in a row nobody loses the race for a file that is removed.
    private static let tries = 100
    private let path: String
    private let descriptor: Mutex<Int32>

    /// Takes the lock at once or not at all, and notes this process's number in the file.
    public init(_ path: String) throws(FileLockError) {
        self.path = path
        var taken: Int32?
        // A file that its holder removes between the opening and the locking guards nothing any more.
        for _ in 0..<FileLock.tries where taken == nil { taken = try FileLock.take(path) }
        guard let opened = taken else { throw .held(path: path, process: nil) }
        descriptor = Mutex(opened)
        // For that message only; a full disk does not stop anybody who has the lock.
        let number = Array("\(getpid())\n".utf8)
        if ftruncate(opened, 0) == 0 { _ = pwrite(opened, number, number.count, 0) }
    }

    /// - Returns: `nil` where the file was removed meanwhile.
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

    /// Gives the lock back; a second time does nothing.
    /// - Parameter isRemoving: Takes the file away with it.
    public func release(removing isRemoving: Bool = false) {
        descriptor.withLock { descriptor in
            guard descriptor >= 0 else { return }
            // While it is held: another's file is never removed.
            if isRemoving { unlink(path) }
            // Explicitly, in case a child that was forked and not yet replaced has the descriptor too.
            _ = flock(descriptor, LOCK_UN)
            close(descriptor)
            descriptor = -1
        }
    }

    deinit { release() }
}
