import DurableFile
import FaultyDisk
import Glibc
import Synchronization
import Testing

@Suite("Files replaced whole")
struct ReplaceTests {
    @Test("A file is written, synced, renamed, and its folder synced, in that order")
    func order() throws {
        let folder = try PrivateFolder(), disk = FaultyDisk()
        try DurableFile.replace(folder.path("a"), with: [1, 2], mode: 0o600, calls: disk.calls)
        #expect(disk.made == [.write, .synchronize, .rename, .synchronize])
        #expect(try DurableFile.read(folder.path("a"), limit: 2) == [1, 2])
    }

    @Test("Whichever call fails, either the old or the new content is there, complete, and nothing else", arguments: 0..<4)
    func fault(index: Int) throws {
        let folder = try PrivateFolder(), disk = FaultyDisk(number: EIO)
        try folder.write("old", to: "a")
        disk.fail(at: index)
        let error = failure(of: FileError.self) {
            try DurableFile.replace(folder.path("a"), with: Array("new one".utf8), mode: 0o600, calls: disk.calls)
        }
        #expect(error?.code == EIO && error?.call == ["write", "fsync", "rename", "fsync"][index])
        // After the rename, the new name may or may not survive a power loss; the caller gets an error.
        #expect(try folder.text("a") == (index < 3 ? "old" : "new one"))
        #expect(folder.names == ["a"])
    }

    @Test("A new file replaces none, and is there complete or not at all", arguments: 0..<4)
    func new(index: Int) throws {
        let folder = try PrivateFolder(), disk = FaultyDisk(number: EIO)
        let opened = try Folder(folder.path, calls: disk.calls)
        disk.fail(at: index)
        if index < 3 {
            #expect(failure(of: FileError.self) { try opened.createNew("a", with: [1, 2], mode: 0o600) }?.code == EIO)
            #expect(folder.names.isEmpty)
        }
        disk.clear()
        try opened.createNew("a", with: Array("first".utf8), mode: 0o600)
        #expect(disk.made == [.write, .synchronize, .synchronize])
        #expect(failure(of: FileError.self) { try opened.createNew("a", with: Array("second".utf8), mode: 0o600) }?.code == EEXIST)
        #expect(try folder.text("a") == "first" && folder.names == ["a"])
        #expect(try File(reading: folder.path("a")).status().mode == 0o600)
    }

    @Test("Short or interrupted writes are continued")
    func shortWrites() throws {
        let folder = try PrivateFolder()
        let turn = Atomic<Int>(0)
        var calls = FileCalls()
        calls.write = { file, bytes in
            if turn.add(1, ordering: .relaxed).oldValue % 2 == 0 {
                errno = EINTR
                return -1
            }
            return write(file, bytes.baseAddress, min(7, bytes.count))
        }
        let content = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        try DurableFile.replace(folder.path("a"), with: content, mode: 0o600, calls: calls)
        #expect(try DurableFile.read(folder.path("a"), limit: 1000) == content)
    }

    @Test("A write that makes no progress is a full disk, not a loop")
    func noProgress() throws {
        let folder = try PrivateFolder()
        var calls = FileCalls()
        calls.write = { _, _ in 0 }
        let error = failure(of: FileError.self) { try DurableFile.replace(folder.path("a"), with: [1], mode: 0o600, calls: calls) }
        #expect(error?.isFull == true)
    }

    @Test("The mode is the one asked for, whatever the umask; a link or a leftover at the temporary name is not followed")
    func mode() throws {
        let folder = try PrivateFolder()
        try folder.write("victim", to: "victim")
        #expect(symlink("victim", folder.path(Folder.interim("a"))) == 0)
        try folder.write("new", to: "a", mode: 0o666)
        #expect(try folder.text("victim") == "victim")
        #expect(try File(reading: folder.path("a")).status().mode == 0o666)
        #expect(folder.names == ["a", "victim"])
    }

    @Test("A link is replaced, not its target")
    func link() throws {
        let folder = try PrivateFolder()
        try folder.write("victim", to: "victim")
        #expect(symlink("victim", folder.path("a")) == 0)
        try folder.write("new", to: "a")
        #expect(try folder.text("victim") == "victim" && folder.text("a") == "new")
    }

    @Test("Several files are written before the first is synced; the folder is not")
    func several() throws {
        let folder = try PrivateFolder(), disk = FaultyDisk()
        try Folder(folder.path, calls: disk.calls).write([("a", [1], 0o644), ("b", [2], 0o644), ("c", [], 0o640)])
        #expect(disk.made == [.write, .write, .synchronize, .synchronize, .synchronize])
        #expect(folder.names == ["a", "b", "c"])
    }

    @Test("Removing syncs the folder, even if an earlier attempt removed the file but did not sync")
    func remove() throws {
        let folder = try PrivateFolder(), disk = FaultyDisk()
        try folder.write("old", to: "a")
        disk.fail(from: 0)
        #expect(failure(of: FileError.self) { try DurableFile.remove(folder.path("a"), calls: disk.calls) }?.call == "fsync")
        disk.clear()
        try DurableFile.remove(folder.path("a"), calls: disk.calls)
        #expect(disk.made == [.synchronize] && folder.names.isEmpty)
        try DurableFile.remove(folder.path("no/such/folder"))
    }

    @Test("Reading accepts a regular file up to the limit, and does not wait for a FIFO")
    func read() throws {
        let folder = try PrivateFolder()
        try folder.write("12345", to: "a")
        #expect(try folder.text("a") == "12345")
        #expect(try DurableFile.read(folder.path("a"), limit: 5).count == 5)
        #expect(failure(of: FileError.self) { _ = try DurableFile.read(folder.path("a"), limit: 4) }?.cause == .tooLarge(limit: 4))
        #expect(mkfifo(folder.path("fifo"), 0o600) == 0)
        for path in [folder.path("fifo"), folder.path, "/dev/null"] {
            #expect(failure(of: FileError.self) { _ = try DurableFile.read(path, limit: 4) }?.cause == .notRegular)
        }
        #expect(failure(of: FileError.self) { _ = try DurableFile.read(folder.path("none"), limit: 4) }?.isMissing == true)
        // One of the kernel's own files, which have no size.
        #expect(try DurableFile.read("/proc/self/status", limit: 1 << 16).count > 100)
        let large = [UInt8](repeating: 7, count: 200_000)
        try DurableFile.replace(folder.path("large"), with: large, mode: 0o600)
        #expect(try DurableFile.read(folder.path("large"), limit: 200_000) == large)
        let part = try File(reading: folder.path("large")).read(at: 199_990, count: 100)
        #expect(part.count == 10)
        var memory = [UInt8](repeating: 0, count: 20)
        let count = try memory.withUnsafeMutableBytes { try File(reading: folder.path("large")).read(into: $0, at: 199_995) }
        #expect(count == 5 && memory == [UInt8](repeating: 7, count: 5) + [UInt8](repeating: 0, count: 15))
    }

    @Test("A status shows the path's current state, and links as links")
    func look() throws {
        let folder = try PrivateFolder()
        try folder.write("12345", to: "a", mode: 0o640)
        let before = try FileStatus(at: folder.path("a"))
        #expect(before.kind == .file && before.size == 5 && before.mode == 0o640 && before.names == 1)
        #expect(try before == File(reading: folder.path("a")).status())
        #expect(Glibc.link(folder.path("a"), folder.path("b")) == 0)
        #expect(try FileStatus(at: folder.path("a")).names == 2)
        try folder.write("12345", to: "a", mode: 0o640)
        #expect(try FileStatus(at: folder.path("a")).identity != before.identity)
        #expect(symlink("a", folder.path("link")) == 0)
        #expect(try FileStatus(at: folder.path("link")).kind == .link)
        #expect(failure(of: FileError.self) { _ = try FileStatus(at: folder.path("none")) }?.isMissing == true)
    }

    @Test("Folders are made with their parents, each synced in its parent; anything but a folder is an error")
    func folders() throws {
        let folder = try PrivateFolder(), disk = FaultyDisk()
        try Folder.make(folder.path("a/b/c"), mode: 0o700, calls: disk.calls)
        #expect(disk.made == [.synchronize, .synchronize, .synchronize])
        #expect(try Folder(folder.path("a/b")).status().mode == 0o700)
        try Folder.make(folder.path("a/b/c"), mode: 0o755, calls: disk.calls)
        #expect(disk.made.count == 3)
        try Folder.make(folder.path("d/e"), mode: 0o777, isExact: true)
        for name in ["d", "d/e"] { #expect(try Folder(folder.path(name)).status().mode == 0o777) }
        try folder.write("x", to: "file")
        #expect(failure(of: FileError.self) { try Folder.make(folder.path("file"), mode: 0o700) }?.code == ENOTDIR)
        #expect(failure(of: FileError.self) { try Folder.make(folder.path("file/b"), mode: 0o700) }?.code == ENOTDIR)
    }

    @Test("A tree is removed with its content, and links in it are not followed")
    func tree() throws {
        let folder = try PrivateFolder()
        try Folder.make(folder.path("tree/a/b"), mode: 0o700)
        try Folder.make(folder.path("other"), mode: 0o700)
        try folder.write("x", to: "other/kept")
        try folder.write("x", to: "tree/a/.hidden")
        #expect(symlink(folder.path("other"), folder.path("tree/link")) == 0)
        let opened = try Folder(folder.path)
        #expect(failure(of: FileError.self) { try opened.removeTree("tree", depth: 0) } != nil)
        try opened.removeTree("tree", depth: 2)
        try opened.removeTree("tree", depth: 2)
        #expect(folder.names == ["other"])
        #expect(try folder.text("other/kept") == "x")
    }

    @Test("A symbolic link is changed in one step and read back")
    func links() throws {
        let folder = try PrivateFolder(), opened = try Folder(folder.path)
        #expect(opened.target(ofLink: "current") == nil)
        try opened.link("current", to: "1")
        try opened.link("current", to: "2")
        #expect(opened.target(ofLink: "current") == "2" && folder.names == ["current"])
    }
}
