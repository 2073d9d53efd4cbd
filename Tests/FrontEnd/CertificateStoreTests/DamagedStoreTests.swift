import ACME
import FaultyDisk
import Glibc
import JOSE
import TestSupport
import Testing

@testable import CertificateStore

@Suite("A damaged store")
struct DamagedStoreTests {
    @Test("Files that this program cannot have written are refused with their path, never guessed at")
    func damaged() async throws {
        let folder = try StoreFolder(), store = folder.store
        try await store.write(folder.journal())
        let path = store.layout.order(folder.name)
        let good = String(decoding: try folder.read(path), as: UTF8.self)
        let cases: [(String, StoreError.Reason)] = [
            ("", .damaged), ("{", .damaged), ("[]", .damaged), (String(good.dropLast(4)), .damaged), (good + good, .damaged),
            (good.replacing("\"version\":3", with: "\"version\":4"), .newerFormat),
            (good.replacing("\"version\":3", with: "\"version\":0"), .damaged),
            (good.replacing("\"order\"", with: "\"account\""), .damaged), (good.replacing("\"steps\"", with: "\"stepz\""), .damaged),
            (good.replacing("https://", with: "http://"), .damaged), (good.replacing("www.example.org", with: "../../etc"), .damaged),
            (good.replacing("www.example.org", with: "other.example.org"), .damaged),
            (good.replacing("\"account\"", with: "\"-rf\""), .damaged),
            (good.replacing("[]", with: "[{\"step\":\"unknown\"}]"), .damaged), (good.replacing("{", with: "{\"version\":1,"), .damaged),
            (good.replacing("[]", with: "[{\"step\":\"finalized\",\"more\":1}]"), .damaged),
            (good.replacing("[]", with: "[{\"step\":\"installed\",\"generation\":99999999999999999999}]"), .damaged),
            (String(repeating: "[", count: 100_000), .damaged), (String(repeating: " ", count: 5 << 20), .damaged),
        ]
        for (index, (text, reason)) in cases.enumerated() {
            try folder.write(text, to: path)
            let error = await failure { _ = try await store.journal(named: folder.name) }
            #expect(error?.reason == reason, "case \(index): \(String(describing: error))")
            #expect(error?.path == path)
        }
        try folder.write(good, to: path)
        #expect(try await store.journal(named: folder.name) == folder.journal())
    }

    @Test("A FIFO, a link or a folder in a file's place does not block the program")
    func strange() async throws {
        let folder = try StoreFolder(), store = folder.store
        try await store.write(folder.journal())
        let path = store.layout.order(folder.name)
        for kind in 0..<3 {
            unlink(path)
            switch kind {
            case 0: mkfifo(path, 0o600)
            case 1: symlink("/etc/passwd", path)
            default: mkdir(path, 0o700)
            }
            let error = await failure { _ = try await store.journal(named: folder.name) }
            #expect(error != nil)
            if kind == 1 { try await store.write(folder.journal()) }
        }
    }

    @Test("A generation with a missing file, or one of another certificate, is damaged; a link elsewhere is not followed")
    func generation() async throws {
        let folder = try StoreFolder(), store = folder.store
        let stored = try await store.install(folder.new())
        let generation = store.layout.generation(folder.name, 1)
        let other = try CertificateName("other.example.org")
        try store.makeFolder(store.layout.generations(other), mode: 0o755)
        #expect(rename(generation, store.layout.generation(other, 1)) == 0)
        #expect(await failure { _ = try await store.certificate(named: folder.name) }?.reason == .damaged)
        try store.files.link(store.layout.current(other), to: "generations/1")
        #expect(await failure { _ = try await store.certificate(named: other) }?.reason == .damaged)
        #expect(rename(store.layout.generation(other, 1), generation) == 0)
        #expect(try await store.certificate(named: folder.name)?.metadata == stored.metadata)
        unlink(generation + "/fullchain.pem")
        #expect(await failure { _ = try await store.certificate(named: folder.name) }?.reason == .damaged)
        try store.files.link(store.layout.current(folder.name), to: "/etc")
        #expect(await failure { _ = try await store.certificate(named: folder.name) }?.reason == .damaged)
        // The next renewal repairs it.
        _ = try await store.install(folder.new())
        #expect(try await store.certificate(named: folder.name)?.metadata.generation == 2)
    }

    @Test(
        "A disk that fills or fails at any single call: a clear error, the old state whole, and the next try succeeds",
        arguments: [ENOSPC, EIO])
    func everyCall(number: Int32) async throws {
        let folder = try StoreFolder(), disk = FaultyDisk(number: number), store = folder.store(disk.calls)
        let old = try await store.install(folder.new())
        let account = StoredAccount(directory: try ACMEURL("https://acme.example/directory"), key: "account")
        try await store.save(account)
        var journal = try folder.journal()
        try await store.write(journal)
        let new = try folder.new()
        let next = try CertificateChain(pem: new.pem).der

        var index = 0
        var installed: StoredCertificate?
        while installed == nil, index < 200 {
            disk.fail(from: index)
            let error = await failure { installed = try await store.install(new) }
            disk.clear()
            let now = try #require(try await store.certificate(named: folder.name))
            if installed == nil {
                #expect(error?.reason == (number == ENOSPC ? .storageFull : .unavailable), "call \(index)")
                #expect(error?.path != nil)
                // After the switch only the fsync of the folder can fail: then the new one is complete. No other state
                // may occur.
                #expect(now.chain.der == old.chain.der || now.chain.der == next, "call \(index)")
                #expect(Hexadecimal.encode(now.chain.serialNumber) == now.metadata.serial)
            }
            index += 1
        }
        #expect(index > 10 && installed != nil)

        for index in 0..<4 {
            var other = account
            other.key = "other"
            disk.fail(from: index)
            let failed = await failure { try await store.save(other) }
            disk.clear()
            let kept = try await store.account(at: account.directory)
            #expect(kept == account || kept == other)
            if index < 3 { #expect(failed == nil || failed?.reason == (number == ENOSPC ? .storageFull : .unavailable)) }
            try await store.save(account)
        }

        disk.fail(from: 0)
        let before = journal
        #expect(await failure { try await store.record(.finalized, in: &journal) } != nil)
        #expect(journal == before)
        disk.clear()
        #expect(try await store.journal(named: folder.name) == before)
    }

    @Test("A real full file system", .enabled(if: geteuid() == 0))
    func realDisk() async throws {
        let folder = try StoreFolder()
        let mounted = folder.folder + "/small"
        mkdir(mounted, 0o755)
        // In a container root may not be allowed to mount; the failing disk above covers the case.
        guard mount("none", mounted, "tmpfs", 0, "size=96k,mode=0755") == 0 else { return }
        defer { umount2(mounted, Int32(MNT_DETACH)) }
        let store = FolderStore(folder: mounted + "/state")
        let old = try await store.install(folder.new())
        try await store.write(folder.journal())
        let filler = mounted + "/filler"
        let descriptor = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        let page = [UInt8](repeating: 1, count: 4_096)
        while write(descriptor, page, page.count) > 0 {}
        close(descriptor)
        let error = await failure { _ = try await store.install(folder.new()) }
        #expect(error?.reason == .storageFull && error?.errorNumber == ENOSPC && error?.hint != nil)
        var journal = try folder.journal()
        #expect(await failure { try await store.record(.finalized, in: &journal) }?.reason == .storageFull)
        #expect(try await store.certificate(named: folder.name)?.chain.der == old.chain.der)
        #expect(try await store.journal(named: folder.name)?.steps.isEmpty == true)
        unlink(filler)
        #expect(try await store.install(folder.new()).metadata.generation == 2)
        try await store.record(.finalized, in: &journal)
    }
}
