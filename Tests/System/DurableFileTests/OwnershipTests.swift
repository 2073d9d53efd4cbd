import Glibc
import Synchronization
import Testing

@testable import DurableFile

/// Only root can give files away; without it, those cases are skipped.
private let isRoot = geteuid() == 0
private let nobody: uid_t = 65_534

@Suite("Files opened, then checked")
struct OwnershipTests {
    private func refusal(_ path: String, _ rule: Ownership) -> OwnershipError? { failure { _ = try File.open(path, as: rule) } }

    private func distrust(_ path: String, _ rule: Ownership) -> Distrust? {
        if case .distrusted(_, let reason)? = refusal(path, rule) { reason } else { nil }
    }

    @Test("A file's mode decides whether it is trusted", arguments: [0o600, 0o640, 0o644, 0o660, 0o602] as [UInt32])
    func modes(mode: UInt32) throws {
        let folder = try PrivateFolder()
        let path = try folder.write("x", to: "a", mode: mode)
        #expect(distrust(path, .configuration) == (mode & 0o022 != 0 ? .writable : nil))
        #expect(distrust(path, .secret) == (mode & 0o022 != 0 ? .writable : mode & 0o077 != 0 ? .readable : nil))
        #expect(distrust(path, .state) == (mode & 0o022 != 0 ? .writable : nil))
        if mode == 0o600 { #expect(try File.open(path, as: .secret).read(limit: 1) == Array("x".utf8)) }
    }

    @Test("Another user's file is refused, and so is root's where the rule demands this user's", .enabled(if: isRoot))
    func owner() throws {
        let folder = try PrivateFolder()
        let path = try folder.write("x", to: "a", mode: 0o600)
        #expect(chown(path, nobody, nobody) == 0)
        for rule in [Ownership.configuration, .secret, .state] { #expect(distrust(path, rule) == .owner(nobody)) }
        #expect(distrust(path, Ownership(owner: .anybody, forbidden: 0o022, judgesWay: false)) == nil)
    }

    @Test("A second name is refused as state, and a folder or a FIFO always")
    func kinds() throws {
        let folder = try PrivateFolder()
        let path = try folder.write("x", to: "a", mode: 0o600)
        #expect(link(path, folder.path("b")) == 0)
        #expect(distrust(path, .state) == .names(2))
        #expect(distrust(path, .configuration) == nil)
        #expect(mkfifo(folder.path("fifo"), 0o600) == 0)
        #expect(distrust(folder.path("fifo"), .configuration) == .noFile)
        #expect(distrust(folder.path, .configuration) == .noFile)
        #expect(distrust(folder.path + "/", .configuration) == .noFile)
        #expect(refusal(folder.path("none"), .configuration)?.isMissing == true)
        #expect(distrust("a", .configuration) == .notAbsolute)
    }

    @Test("Every folder on the path counts, also after a link and after \"..\"")
    func way() throws {
        let folder = try PrivateFolder()
        try Folder.make(folder.path("open/inner"), mode: 0o755)
        try Folder.make(folder.path("side"), mode: 0o755)
        let path = try folder.write("x", to: "open/inner/a")
        #expect(symlink("open/inner", folder.path("link")) == 0)
        #expect(symlink(path, folder.path("absolute")) == 0)
        let spellings = [path, folder.path("link/a"), folder.path("absolute"), folder.path("side/../open/./inner//a")]
        for spelling in spellings { #expect(refusal(spelling, .configuration) == nil, "\(spelling)") }
        for mode in [0o775, 0o757] as [mode_t] {
            #expect(chmod(folder.path("open"), mode) == 0)
            for spelling in spellings {
                #expect(refusal(spelling, .configuration) == .distrusted(path: folder.path("open"), .writable), "\(spelling)")
            }
            #expect(refusal(path, Ownership(owner: .rootOrSelf, forbidden: 0o022, judgesWay: false)) == nil)
        }
    }

    @Test("A folder is checked like a file")
    func folders() throws {
        let folder = try PrivateFolder()
        try Folder.make(folder.path("keys"), mode: 0o700)
        #expect(try Folder.open(folder.path("keys"), as: .state).names().isEmpty)
        #expect(chmod(folder.path("keys"), 0o777) == 0)
        let open = failure(of: OwnershipError.self) { _ = try Folder.open(folder.path("keys"), as: .state) }
        #expect(open == .distrusted(path: folder.path("keys"), .writable))
        try folder.write("x", to: "a")
        let file = failure(of: OwnershipError.self) { _ = try Folder.open(folder.path("a"), as: .state) }
        #expect(file != nil)
    }

    @Test("Root's sticky folder is accepted on a path, another user's is not", .enabled(if: isRoot))
    func sticky() throws {
        let folder = try PrivateFolder()
        try Folder.make(folder.path("tmp"), mode: 0o755)
        #expect(chmod(folder.path("tmp"), 0o1777) == 0)
        let path = try folder.write("x", to: "tmp/a")
        #expect(refusal(path, .configuration) == nil)
        #expect(chown(folder.path("tmp"), nobody, nobody) == 0)
        #expect(refusal(path, .configuration) == .distrusted(path: folder.path("tmp"), .owner(nobody)))
    }

    @Test("A link that another user may have made is refused, and so are circular links", .enabled(if: isRoot))
    func links() throws {
        let folder = try PrivateFolder()
        try folder.write("x", to: "a")
        #expect(symlink("a", folder.path("link")) == 0)
        #expect(lchown(folder.path("link"), nobody, nobody) == 0)
        #expect(refusal(folder.path("link"), .configuration) == .distrusted(path: folder.path("link"), .owner(nobody)))
        #expect(symlink("two", folder.path("one")) == 0 && symlink("one", folder.path("two")) == 0)
        #expect(distrust(folder.path("one"), .configuration) == .links)
    }

    @Test("A slash followed by a combining character is still a slash")
    func bytes() throws {
        let folder = try PrivateFolder()
        try Folder.make(folder.path("open/\u{308}inner"), mode: 0o755)
        let path = try folder.write("x", to: "open/\u{308}inner/a")
        #expect(chmod(folder.path("open"), 0o777) == 0)
        #expect(refusal(path, .configuration) == .distrusted(path: folder.path("open"), .writable))
    }

    @Test("The opened file is the checked one, whatever its name refers to afterwards")
    func exchanged() throws {
        let folder = try PrivateFolder()
        let path = try folder.write("good", to: "a", mode: 0o600)
        let file = try File.open(path, as: .secret)
        try folder.write("evil", to: "a", mode: 0o666)
        #expect(try file.read(limit: 10) == Array("good".utf8))
        #expect(try file.status().identity != File(reading: path).status().identity)
    }
}

@Suite("Lock files")
struct FileLockTests {
    @Test("A second caller learns who holds it, and gets it after the release")
    func held() throws {
        let folder = try PrivateFolder(), path = folder.path("lock")
        let lock = try FileLock(path)
        guard case .held(_, let process)? = failure(of: FileLockError.self, { _ = try FileLock(path) }) else {
            Issue.record("a lock was had twice")
            return
        }
        #expect(process == getpid())
        lock.release()
        lock.release()
        #expect(throws: Never.self) { try FileLock(path) }
        #expect(try File(reading: path).status().mode == 0o600)
    }

    @Test("A lock whose file is removed at each release has one holder at a time")
    func removed() async throws {
        let folder = try PrivateFolder(), path = folder.path("lock")
        final class Holders: Sendable { let count = Mutex(0) }
        let holders = Holders()
        await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var taken = 0
                    for _ in 0..<2_000 {
                        guard let lock = try? FileLock(path) else { continue }
                        let count = holders.count.withLock { count in
                            count += 1
                            return count
                        }
                        #expect(count == 1)
                        taken += 1
                        holders.count.withLock { $0 -= 1 }
                        lock.release(removing: true)
                    }
                    return taken
                }
            }
            var taken = 0
            for await count in group { taken += count }
            #expect(taken > 0)
        }
        #expect(access(path, F_OK) != 0)
    }

    @Test("A lock that cannot be created says why")
    func system() throws {
        let folder = try PrivateFolder()
        guard case .system(let error)? = failure(of: FileLockError.self, { _ = try FileLock(folder.path("none/lock")) }) else {
            Issue.record("no error, or another")
            return
        }
        #expect(error.isMissing)
    }
}
