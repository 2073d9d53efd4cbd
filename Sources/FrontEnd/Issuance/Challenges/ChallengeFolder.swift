import DurableFile
import Glibc

/// The folder of challenge files, held open so that every name is looked up in this very folder. Links are not followed: what a web
/// server's user may have put there must not lead to other files.
struct ChallengeFolder: Sendable {
    /// A key authorization has some 90 bytes.
    private static let maximumContent = 4096

    private let folder: Folder

    /// - Throws: `IssuanceError.solver`.
    init(_ path: String) throws {
        do throws(FileError) { folder = try Folder(path, followsLink: false) } catch { throw Self.failure(error) }
    }

    /// By which the kernel finds it, whatever its path leads to.
    var kernelPath: String { folder.kernelPath }

    private static func failure(_ error: FileError) -> IssuanceError {
        let hint = error.code == EACCES || error.code == EPERM ? "this user must be able to write there" : nil
        return .solver(nil, reason: "\(error.path): \(error.reason)", hint: hint)
    }

    /// Puts a file there whole: a web server shows all of it or nothing. After a loss of power the challenge begins anew, so nothing is synced.
    func write(_ name: String, _ content: [UInt8]) throws {
        // The umask must not take the web server's right to read.
        do throws(FileError) {
            guard name.utf8.count > Self.longestName else { return try folder.replaceUnsynced(name, with: content, mode: 0o644) }
            let interim = Self.interim(name)
            try folder.remove(interim)
            try folder.create(interim, mode: 0o644).write(content)
            try folder.rename(interim, to: name)
        } catch { throw Self.failure(error) }
    }

    /// A file system takes names of 255 bytes; one that is longer than this has no room for what `Folder.interim` adds.
    private static let longestName = 250

    /// The name of a file while it is written.
    private static func interim(_ name: String) -> String {
        Folder.interim(name.utf8.count > longestName ? String(name.prefix(longestName / 2) + name.suffix(longestName / 2)) : name)
    }

    /// Removes the file where it has that content, and nothing otherwise.
    func remove(_ name: String, content: [UInt8]) throws {
        do throws(FileError) {
            try folder.remove(Self.interim(name))
            guard try folder.read(name, limit: Self.maximumContent) == content else { return }
            try folder.remove(name)
        } catch {
            switch error.cause {
            // Nothing that was put there by `write`.
            case .notRegular, .tooLarge: return
            case .system: throw Self.failure(error)
            }
        }
    }
}
