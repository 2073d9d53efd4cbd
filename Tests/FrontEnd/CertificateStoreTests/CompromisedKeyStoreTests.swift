import ACME
import DurableFile
import Testing

@testable import CertificateStore

/// Compromised keys in the store.
@Suite struct CompromisedKeyStoreTests {
    private let fingerprint = String(repeating: "0a", count: 32)

    private func report(_ time: Int64 = TestCA.now) -> CompromisedKey {
        CompromisedKey(key: KeyReference(name: "web", fingerprint: fingerprint), reported: time)
    }

    @Test func aReportStaysWithItsTime() async throws {
        let folder = try StoreFolder(), store = folder.store
        #expect(try await !store.isCompromised(fingerprint))
        #expect(try store.compromisedKeys().isEmpty)
        try await store.markCompromised(report())
        try await store.markCompromised(report(TestCA.now + 60))
        #expect(try await store.isCompromised(fingerprint))
        #expect(try await store.isCompromised(fingerprint.uppercased()))
        #expect(try await !store.isCompromised(String(repeating: "0b", count: 32)))
        #expect(try store.compromisedKeys() == [fingerprint])
        let path = folder.state + "/compromised/\(fingerprint).json"
        #expect(try CompromisedKey(folder.read(path), path: path) == report())
        #expect(try FileStatus(at: path).mode == 0o600)
        #expect(try FileStatus(at: folder.state + "/compromised").mode == 0o700)
    }

    /// What cannot be read is not forgotten.
    @Test(arguments: ["", "{", #"{"version":2,"kind":"compromised-key","why":"theft"}"#])
    func aDamagedOrNewerFileCounts(text: String) async throws {
        let folder = try StoreFolder(), store = folder.store
        let path = folder.state + "/compromised/\(fingerprint).json"
        try folder.write(text, to: path)
        #expect(try await store.isCompromised(fingerprint))
        try await store.markCompromised(report())
        // A newer format's file is not written over.
        let isNewer = text.contains("theft")
        #expect(try (folder.read(path) == Array(text.utf8)) == isNewer)
    }

    @Test(arguments: ["", "..", "../../etc/passwd", "0a", String(repeating: "x", count: 64)])
    func aTextThatIsNoFingerprintNamesNoFile(text: String) async throws {
        let store = try StoreFolder().store
        #expect(try await !store.isCompromised(text))
        var key = report()
        key.key.fingerprint = text
        let error = await failure { [key] in try await store.markCompromised(key) }
        #expect(error?.reason == .damaged)
    }
}
