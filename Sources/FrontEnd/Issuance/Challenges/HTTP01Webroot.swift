import ACME
import CertificateStore
import DurableFile
import Glibc
import Synchronization

/// http-01 (RFC 8555 §8.3) through a running web server's folder: a file for each challenge in
/// `<webroot>/.well-known/acme-challenge`.
public final class HTTP01Webroot: ChallengeSolver {
    private let root: String
    /// Watches the folder while challenges are in it; see `ChallengeFolderWatch`.
    private let watch = Mutex<ChallengeFolderWatch?>(nil)
    /// The folders that this process made, and so may remove.
    private let madeFolders = Mutex<[String]>([])

    /// - Parameter root: the folder that the web server serves as `/` over plain HTTP for every name.
    public init(root: String) { self.root = root.utf8.last == UInt8(ascii: "/") && root != "/" ? String(root.dropLast()) : root }

    public var type: ChallengeType { .http01 }

    public func canSolve(_ identifier: Identifier) -> Bool { !identifier.isWildcard }

    private static let wellKnown = "/.well-known"
    private static let suffix = "/.well-known/acme-challenge"
    private var folder: String { root + Self.suffix }

    public func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String { folder + "/" + keyAuthorization.token }

    public func check() throws {
        try expectRoot()
        // The deepest existing path must be a writable folder; missing ones are created.
        let paths: [String] = [folder, root + Self.wellKnown, root]
        guard let path = paths.first(where: { (path: String) in access(path, F_OK) == 0 }) else { return }
        do throws(FileError) { _ = try Folder(path) } catch { throw Self.explain(error) }
        guard access(path, W_OK | X_OK) == 0 else {
            throw Self.explain(FileError(path: path, call: "open", code: errno))
        }
    }

    private func expectRoot() throws {
        do throws(FileError) { _ = try Folder(root) } catch {
            throw IssuanceError.solver(
                nil, reason: "the webroot \(TerminalText.safe(root, limit: 300)) cannot be used: \(error.reason)",
                hint: "--webroot names the folder that the web server serves for this name")
        }
    }

    public func prepare() async throws {
        try expectRoot()
        for path in [root + Self.wellKnown, folder] {
            do throws(FileError) {
                // The web server must be able to read it, whatever the umask is.
                if try Folder.makeNew(path, mode: 0o755) { madeFolders.withLock { $0.append(path) } }
            } catch { throw Self.explain(error) }
        }
        let opened = try ChallengeFolder(folder)
        watch.withLock { $0 = ChallengeFolderWatch(opened) }
    }

    private static func explain(_ error: FileError) -> IssuanceError {
        IssuanceError.solver(
            nil, reason: "\(TerminalText.safe(error.path, limit: 300)): \(error.reason)",
            hint: error.code == EACCES || error.code == EPERM ? "this user must be able to write there" : nil)
    }

    public func present(_ answer: ChallengeAnswer) async throws {
        let token = answer.keyAuthorization.token
        // Checked when it was read, and again before it becomes part of a path.
        guard ChallengeToken.isValid(token) else {
            throw IssuanceError.solver(answer.identifier, reason: "its token is not valid", hint: nil)
        }
        try ChallengeFolder(folder).write(token, Array(answer.keyAuthorization.text.utf8))
    }

    public func waitForValidation(of answers: [ChallengeAnswer], quiet: Duration, limit: Duration) async -> Bool {
        guard let watch = watch.withLock({ $0 }) else { return false }
        return await watch.waitForLooks(at: Set(answers.map(\.keyAuthorization.token)), quiet: quiet, limit: limit)
    }

    /// Removes the file if it has this challenge's content, even from an earlier run's webroot.
    public func cleanUp(_ answer: ChallengeAnswer) async throws {
        guard let slash = answer.target.lastIndex(of: "/") else { return }
        let folder = String(answer.target[..<slash])
        let token = String(answer.target[answer.target.index(after: slash)...])
        guard folder.hasSuffix(Self.suffix), ChallengeToken.isValid(token) else { return }
        guard access(folder, F_OK) == 0 else { return }
        try ChallengeFolder(folder).remove(token, content: Array(answer.keyAuthorization.text.utf8))
    }

    public func finish() async {
        watch.withLock { $0 = nil }
        let made = madeFolders.withLock { made in
            defer { made = [] }
            return made
        }
        // Fails if the folder is not empty, as it should.
        for path in made.reversed() { rmdir(path) }
    }
}
