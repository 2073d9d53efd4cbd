import Glibc
import PKCS11

/// `PINAttempts` of one token in a file of the state folder, for one process at a time.
///
/// The file is named after the token's serial number, so that two configured tokens which are one, and two helpers of one, share it. What
/// earlier versions wrote under the configured name is taken over.
final class PINMemory {
    /// Why there is no memory to go by, so that no try may be made.
    enum Failure: Error, Hashable, Sendable {
        case unreadable(path: String, errno: Int32)
        case damaged(path: String)
        case newer(path: String, version: Int)
        /// Another process is at a try for the same token.
        case busy(path: String)
    }

    /// Where it is, to tell a person.
    let path: String
    private let folder: String
    /// The file of version 1.
    private let formerPath: String
    private let lock: Int32

    /// Takes the lock; waits a little for another process that has it, for example a helper that is just being ended.
    init(folder: String, tokenName: String, serial: String) throws(Failure) {
        self.folder = folder
        path = folder + "/" + Self.fileName(serial: serial)
        formerPath = folder + "/pin-attempt-" + tokenName
        let lockPath = path + ".lock"
        let lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard lock >= 0 else { throw .unreadable(path: lockPath, errno: errno) }
        var waits = 0
        while flock(lock, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR, waits < Self.mostWaits else {
                close(lock)
                throw .busy(path: lockPath)
            }
            waits += 1
            usleep(Self.waitMicroseconds)
        }
        self.lock = lock
    }

    deinit { close(lock) }

    /// Every byte that could mean something in a path is replaced: serial numbers that become equal by that share a memory, which is on the
    /// safe side.
    static func fileName(serial: String) -> String {
        let bytes = serial.utf8.prefix(64).map { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: Character(Unicode.Scalar(byte))
            default: Character("_")
            }
        }
        return "pin-attempts-" + (bytes.isEmpty ? "without-serial" : String(bytes))
    }

    func load() throws(Failure) -> PINAttempts {
        var attempts = try read(path) ?? PINAttempts()
        if let former = try read(formerPath) { for record in former.records { attempts.adopt(record.mark) } }
        return attempts
    }

    /// Puts `attempts` on the disk; the error is the system's.
    func store(_ attempts: PINAttempts) throws(SystemError) {
        if attempts.records.isEmpty {
            guard unlink(path) == 0 || errno == ENOENT else { throw SystemError(number: errno) }
        } else {
            try replace(PINAttemptsFile.encode(attempts))
        }
        try synchroniseFolder()
        // What it said is in the new file by now.
        if unlink(formerPath) == 0 { try synchroniseFolder() }
    }

    /// A salt for a value that is not remembered yet.
    static func newSalt() throws(SystemError) -> [UInt8] {
        var salt = [UInt8](repeating: 0, count: PINAttemptsFile.saltLength)
        guard getentropy(&salt, salt.count) == 0 else { throw SystemError(number: errno) }
        return salt
    }

    private func read(_ path: String) throws(Failure) -> PINAttempts? {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if file < 0 {
            guard errno == ENOENT else { throw .unreadable(path: path, errno: errno) }
            return nil
        }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: PINAttemptsFile.longest + 1)
        let count = Glibc.read(file, &bytes, bytes.count)
        guard count >= 0 else { throw .unreadable(path: path, errno: errno) }
        do {
            return try PINAttemptsFile.decode(Array(bytes.prefix(count)))
        } catch {
            switch error {
            case .damaged: throw .damaged(path: path)
            case .newer(let version): throw .newer(path: path, version: version)
            }
        }
    }

    /// Replaced whole, so that a crash leaves the old or the new file.
    private func replace(_ bytes: [UInt8]) throws(SystemError) {
        let new = path + ".new"
        unlink(new)
        let file = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw SystemError(number: errno) }
        let isWritten = write(file, bytes, bytes.count) == bytes.count && fsync(file) == 0
        let number = errno
        close(file)
        guard isWritten, rename(new, path) == 0 else { throw SystemError(number: isWritten ? errno : number) }
    }

    private func synchroniseFolder() throws(SystemError) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError(number: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw SystemError(number: errno) }
    }

    /// Two seconds in all: a try takes a token less, and one that hangs is not to be waited for.
    private static let mostWaits = 200
    private static let waitMicroseconds: useconds_t = 10_000
}

/// A system call's error number.
struct SystemError: Error, CustomStringConvertible {
    let number: Int32
    var description: String { String(cString: strerror(number)) }
}
