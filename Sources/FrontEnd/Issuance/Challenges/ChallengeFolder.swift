import DurableFile
import Glibc

/// The folder of challenge files, held open so that every name is looked up in this very folder. Links are not
/// followed: the web server's user must not be able to redirect writes to other files.
struct ChallengeFolder: Sendable {
    /// A key authorization has about 90 bytes.
    private static let maximumContent = 4096

    private let folder: Folder

    /// - Throws: `IssuanceError.solver`.
    init(_ path: String) throws {
        do throws(FileError) { folder = try Folder(path, followsLink: false) } catch { throw Self.failure(error) }
    }

    /// A path that leads to this open folder even if its own path now leads elsewhere.
    var kernelPath: String { folder.kernelPath }

    private static func failure(_ error: FileError) -> IssuanceError {
        let hint = error.code == EACCES || error.code == EPERM ? "this user must be able to write there" : nil
        return .solver(nil, reason: "\(error.path): \(error.reason)", hint: hint)
    }

    /// Writes a file atomically: a web server serves all of it or nothing. Nothing is synced, since after a power
    /// failure the challenge starts again.
    func write(_ name: String, _ content: [UInt8]) throws {
        // The web server must be able to read it, whatever the umask is.
        do throws(FileError) {
            guard name.utf8.count > Self.longestName else { return try folder.replaceUnsynced(name, with: content, mode: 0o644) }
            let interim = Self.interim(name)
            try folder.remove(interim)
            try folder.create(interim, mode: 0o644).write(content)
            try folder.rename(interim, to: name)
        } catch { throw Self.failure(error) }
    }

    /// File names have at most 255 bytes; a longer name than this leaves no room for the characters that
    /// `Folder.interim` adds.
    private static let longestName = 250

    /// The name of a file while it is being written.
    private static func interim(_ name: String) -> String {
        Folder.interim(name.utf8.count > longestName ? String(name.prefix(longestName / 2) + name.suffix(longestName / 2)) : name)
    }

    /// Removes the file if it has that content.
    func remove(_ name: String, content: [UInt8]) throws {
        do throws(FileError) {
            try folder.remove(Self.interim(name))
            guard try folder.read(name, limit: Self.maximumContent) == content else { return }
            try folder.remove(name)
        } catch {
            switch error.cause {
            // Not written by `write`.
            case .notRegular, .tooLarge: return
            case .system: throw Self.failure(error)
            }
        }
    }
}
