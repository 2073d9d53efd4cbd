import Glibc
import PKCS11

/// Remembers across restarts that a PIN was given to the token and not accepted: a typing error in a configuration must cost one try,
/// not the token (pkcs11-provider #455, tpm2-pkcs11 #534). The file is written before the try and removed after a success.
struct PINMemory {
    /// Where it is, to tell a person.
    let path: String
    private let folder: String

    init(folder: String, tokenName: String) {
        self.folder = folder
        path = folder + "/pin-attempt-" + tokenName
    }

    /// Whether `pin` is the one that was tried last. A file that cannot be read or understood counts as yes.
    func holds(_ pin: borrowing PIN) -> Bool {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if file < 0 { return errno != ENOENT }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: Self.length + 1)
        let count = read(file, &bytes, bytes.count)
        guard count == Self.length, Array(bytes.prefix(Self.header.count)) == Self.header else { return true }
        let salt = Array(bytes[Self.header.count..<(Self.header.count + Self.saltLength)])
        let tag = pin.tag(salt: salt)
        return bytes[Self.length - 2] == UInt8(tag >> 8) && bytes[Self.length - 1] == UInt8(tag & 0xFF)
    }

    /// Puts `pin`'s salted tag on disk. Without it no try may be made; the error is the system's.
    func record(_ pin: borrowing PIN) throws(SystemError) {
        var salt = [UInt8](repeating: 0, count: Self.saltLength)
        guard getentropy(&salt, salt.count) == 0 else { throw SystemError(number: errno) }
        let tag = pin.tag(salt: salt)
        let bytes = Self.header + salt + [UInt8(tag >> 8), UInt8(tag & 0xFF)]
        // Replaced whole, so that a crash leaves the old or the new file.
        let new = path + ".new"
        unlink(new)
        let file = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw SystemError(number: errno) }
        let isWritten = write(file, bytes, bytes.count) == bytes.count && fsync(file) == 0
        let number = errno
        close(file)
        guard isWritten, rename(new, path) == 0 else { throw SystemError(number: isWritten ? errno : number) }
        try synchroniseFolder()
    }

    /// Forgets the try: the token accepted the PIN, or did not look at it.
    func forget() {
        guard unlink(path) == 0 else { return }
        // If this is lost in a crash, a person is asked once too often.
        try? synchroniseFolder()
    }

    private func synchroniseFolder() throws(SystemError) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError(number: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw SystemError(number: errno) }
    }

    private static let header = Array("acme-agent pin attempt 1\n".utf8)
    private static let saltLength = 16
    private static let length = header.count + saltLength + 2
}

/// A system call's error number.
struct SystemError: Error, CustomStringConvertible {
    let number: Int32
    var description: String { String(cString: strerror(number)) }
}
