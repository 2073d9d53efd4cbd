import FaultyDisk
import Testing

@testable import CertificateStore

/// What is synced, and in which order: each sync may cost milliseconds, and a missing one may cost a certificate.
@Suite struct SyncTests {
    @Test("All files are written before the first is synced, and their folder gets its name after the last")
    func order() async throws {
        let folder = try StoreFolder(), disk = FaultyDisk()
        let store = folder.store(disk.calls)
        await store.prepare(folder.name)
        // The store's folders: state, certificates, the certificate's, its generations.
        #expect(disk.made == Array(repeating: .synchronize, count: 4))
        disk.clear()
        var new = try folder.new()
        new.isDeployed = true
        #expect(try await store.install(new).isDeployed)
        // Six files and the state; these seven and their folder; generation, state and six links under their new names;
        // the two folders with these; the switch and its folder.
        let files: [FaultyDisk.Call] = Array(repeating: .write, count: 7) + Array(repeating: .synchronize, count: 8)
        let names: [FaultyDisk.Call] = Array(repeating: .rename, count: 8) + [.synchronize, .synchronize]
        #expect(disk.made == files + names + [.rename, .synchronize])
    }

    @Test("A journal is one file and its folder")
    func journal() async throws {
        let folder = try StoreFolder(), disk = FaultyDisk()
        let store = folder.store(disk.calls)
        try await store.write(folder.journal())
        disk.clear()
        try await store.write(folder.journal())
        #expect(disk.made == [.write, .synchronize, .rename, .synchronize])
    }

    @Test("A folder that was prepared but never filled is not shown, and does no harm")
    func prepared() async throws {
        let folder = try StoreFolder(), store = folder.store
        await store.prepare(folder.name)
        #expect(try await store.certificateNames().isEmpty)
        #expect(try await store.certificate(named: folder.name) == nil)
        #expect(try await store.install(folder.new()).metadata.generation == 1)
    }
}
