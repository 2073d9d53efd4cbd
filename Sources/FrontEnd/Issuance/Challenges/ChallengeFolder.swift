import Glibc

/// The folder of challenge files, held open so that every name is looked up in this very folder. Links are not followed: what a web
/// server's user may have put there must not lead to other files.
final class ChallengeFolder: Sendable {
    /// A key authorization has some 90 bytes.
    private static let maximumContent = 4096

    let descriptor: Int32
    let path: String

    /// - Throws: `IssuanceError.solver`.
    init(_ path: String) throws {
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        self.path = path
        guard descriptor >= 0 else { throw Self.failure(path, errno) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private static func failure(_ path: String, _ number: Int32) -> IssuanceError {
        let hint = number == EACCES || number == EPERM ? "this user must be able to write there" : nil
        return .solver(nil, reason: "\(path): \(String(cString: strerror(number)))", hint: hint)
    }

    /// Puts a file there whole: a web server shows all of it or nothing.
    func write(_ name: String, _ content: [UInt8]) throws {
        let temporary = ".\(name).new"
        // What a run left that was cut off here.
        unlinkat(descriptor, temporary, 0)
        let file = openat(descriptor, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Self.failure(path, errno) }
        defer { close(file) }
        // The umask may have taken the web server's right to read.
        guard fchmod(file, 0o644) == 0, Glibc.write(file, content, content.count) == content.count,
            renameat(descriptor, temporary, descriptor, name) == 0
        else {
            let number = errno
            unlinkat(descriptor, temporary, 0)
            throw Self.failure(path + "/" + name, number)
        }
    }

    /// Removes the file where it has that content, and nothing otherwise.
    func remove(_ name: String, content: [UInt8]) throws {
        unlinkat(descriptor, ".\(name).new", 0)
        let file = openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            if errno == ENOENT { return }
            throw Self.failure(path + "/" + name, errno)
        }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: Self.maximumContent)
        let count = read(file, &buffer, buffer.count)
        guard count == content.count, buffer.prefix(count).elementsEqual(content) else { return }
        guard unlinkat(descriptor, name, 0) == 0 || errno == ENOENT else { throw Self.failure(path + "/" + name, errno) }
    }
}
