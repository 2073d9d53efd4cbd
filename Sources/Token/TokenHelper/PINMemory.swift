import DurableFile
import Glibc
import PKCS11

/// `PINAttempts` of one token in a file of the state folder, for one process at a time.
///
/// The file is named after the token's serial number. Two configured tokens that are the same token share it, and so do
/// two helpers of one token. A file that an earlier version wrote under the configured name is taken over.
final class PINMemory {
    /// Why there is no usable memory, so that no try may be made.
    enum Failure: Error, Hashable, Sendable {
        case unreadable(FileError)
        case damaged(path: String)
        case newer(path: String, version: Int)
        /// Another process is logging in to the same token.
        case busy(path: String)
    }

    /// The file's path, for messages.
    let path: String
    private let folder: Folder
    private let name: String
    /// The file of version 1.
    private let formerName: String
    private let lock: FileLock

    /// Takes the lock; waits a little for another process that holds it, for example a helper that is being stopped.
    init(folder: String, tokenName: String, serial: String, calls: FileCalls = .real) throws(Failure) {
        name = Self.fileName(serial: serial)
        path = folder + "/" + name
        formerName = "pin-attempt-" + tokenName
        do throws(FileError) { self.folder = try Folder(folder, calls: calls) } catch { throw .unreadable(error) }
        lock = try Self.takeLock(path + ".lock")
    }

    private static func takeLock(_ path: String) throws(Failure) -> FileLock {
        var waits = 0
        while true {
            do throws(FileLockError) { return try FileLock(path) } catch {
                if case .system(let error) = error { throw .unreadable(error) }
            }
            guard waits < mostWaits else { throw .busy(path: path) }
            waits += 1
            usleep(waitMicroseconds)
        }
    }

    /// Replaces every byte that could have a meaning in a path. Serial numbers that become equal share a memory, which
    /// is on the safe side.
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
        var attempts = try read(name) ?? PINAttempts()
        if let former = try read(formerName) { for record in former.records { attempts.adopt(record.mark) } }
        return attempts
    }

    /// Stores `attempts` on disk. After an error, either the old ones or these are there.
    func store(_ attempts: PINAttempts) throws(FileError) {
        if attempts.records.isEmpty {
            try folder.remove(name)
            try folder.synchronize()
        } else {
            try folder.replace(name, with: PINAttemptsFile.encode(attempts), mode: 0o600)
        }
        // Its content is in the new file now.
        if try folder.remove(formerName) { try folder.synchronize() }
    }

    /// A salt for a value that is not remembered yet.
    static func newSalt() throws(SystemError) -> [UInt8] {
        var salt = [UInt8](repeating: 0, count: PINAttemptsFile.saltLength)
        guard getentropy(&salt, salt.count) == 0 else { throw SystemError(number: errno) }
        return salt
    }

    private func read(_ name: String) throws(Failure) -> PINAttempts? {
        let path = folder.path + "/" + name
        let bytes: [UInt8]
        do throws(FileError) {
            guard let read = try folder.read(name, limit: PINAttemptsFile.longest) else { return nil }
            bytes = read
        } catch {
            if case .tooLarge = error.cause { throw .damaged(path: path) }
            throw .unreadable(error)
        }
        do throws(PINAttemptsFile.Mistake) {
            return try PINAttemptsFile.decode(bytes)
        } catch {
            switch error {
            case .damaged: throw .damaged(path: path)
            case .newer(let version): throw .newer(path: path, version: version)
            }
        }
    }

    /// Two seconds in all: a login takes less, and one that hangs is not worth waiting for.
    private static let mostWaits = 200
    private static let waitMicroseconds: useconds_t = 10_000
}

/// A system call's error number.
struct SystemError: Error, CustomStringConvertible {
    let number: Int32
    var description: String { String(cString: strerror(number)) }
}
