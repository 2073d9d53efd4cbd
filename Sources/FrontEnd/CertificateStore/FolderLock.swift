import ACME
import Glibc
import Synchronization

/// A lock file, held by flock(2): the kernel gives it back when the process dies, however it dies. The file stays, since removing it could
/// leave two processes with a lock each on a file of one name.
final class FolderLock: CertificateLock {
    private let descriptor: Mutex<Int32>

    init(_ path: String, name: CertificateName) throws(StoreError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw .system("open", path, errno) }
        self.descriptor = Mutex(descriptor)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw .system("flock", path, errno) }
            let holder = FolderLock.holder(descriptor).map { "process \($0)" } ?? "another process"
            throw StoreError(
                .locked, path: path, message: "\(holder) is working on certificate \"\(name)\"", hint: "wait until it is done, or end it")
        }
        // For the message above only; a full disk does not stop anybody who has the lock.
        let pid = Array("\(getpid())\n".utf8)
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, pid, pid.count, 0) }
    }

    private static func holder(_ descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: bytes[..<count].prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self))
    }

    func release() {
        descriptor.withLock { descriptor in
            guard descriptor >= 0 else { return }
            // Explicitly, in case a child that was forked and not yet replaced has the descriptor too.
            _ = flock(descriptor, LOCK_UN)
            close(descriptor)
            descriptor = -1
        }
    }

    deinit { release() }
}
