import ACME
import DurableFile
import Glibc
import Testing

@testable import CertificateStore

/// File modes are chosen by the program, not by the umask.
@Suite struct StoreModesTests {
    /// In a separate process: the umask belongs to the whole process.
    @Test(arguments: [0o077, 0o000, 0o027] as [mode_t])
    func modesAreTheDocumentedOnesWhateverTheUmaskIs(mask: mode_t) async throws {
        await #expect(processExitsWith: .success) { [mask] in
            umask(mask)
            let folder = try StoreFolder(), store = folder.store
            _ = try await store.install(folder.new())
            try await store.write(folder.journal())
            try await store.save(StoredAccount(directory: try ACMEURL("https://acme.example/directory"), key: "account"))
            _ = try await store.lock(folder.name)
            try await store.markDeployed(folder.name, generation: 1)
            let certificate = "certificates/www.example.org"
            var expected: [String: UInt32] = [
                "": 0o755, "certificates": 0o755, certificate: 0o755, certificate + "/generations": 0o755,
                certificate + "/generations/1": 0o755, certificate + "/state.json": 0o644, "orders": 0o700, "accounts": 0o700,
                "locks": 0o700, "orders/www.example.org.json": 0o600, "locks/www.example.org.lock": 0o600,
                certificate + "/generations/1/key.pem": 0o640,
            ]
            for file in FolderLayout.files { expected["\(certificate)/generations/1/\(file)"] = 0o644 }
            for (path, mode) in expected { #expect(try FileStatus(at: "\(folder.state)/\(path)").mode == mode, "\(path)") }
        }
    }

    /// Only root can give a file to any group.
    @Test(.enabled(if: geteuid() == 0)) func onlyTheKeyFileHasTheGroupThatIsConfigured() async throws {
        let folder = try StoreFolder(), store = FolderStore(folder: folder.state, keyFileGroup: 12_345)
        _ = try await store.install(folder.new())
        let generation = "\(folder.state)/certificates/www.example.org/generations/1"
        let key = try FileStatus(at: generation + "/key.pem")
        #expect(key.group == 12_345 && key.owner == 0 && key.mode == 0o640)
        for file in FolderLayout.files { #expect(try FileStatus(at: "\(generation)/\(file)").group == getegid(), "\(file)") }
    }
}
