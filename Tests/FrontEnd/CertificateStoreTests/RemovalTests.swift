import ACME
import DurableFile
import Glibc
import Testing

@testable import CertificateStore

/// Removing a certificate, even if an earlier removal was interrupted or its folder has foreign files.
@Suite struct RemovalTests {
    @Test func aRemovalThatWasCutOffIsFinished() async throws {
        let folder = try StoreFolder(), store = folder.store
        _ = try await store.install(folder.new())
        let certificates = store.layout.certificates
        #expect(rename(certificates + "/www.example.org", certificates + "/.removed-www.example.org") == 0)
        try await store.removeCertificate(named: folder.name)
        #expect(try DurableFile.names(in: certificates).isEmpty)
        #expect(await failure { try await store.removeCertificate(named: folder.name) }?.reason == .notFound)
    }

    @Test func namesThatAreNoUTF8AreRemovedToo() async throws {
        let folder = try StoreFolder(), store = folder.store
        _ = try await store.install(folder.new())
        let path = Array((store.layout.certificate(folder.name) + "/a").utf8CString.dropLast()) + [-1, 0]
        #expect(mkdir(path, 0o755) == 0)
        #expect(mkdir(Array(path.dropLast()) + [0x2F, -2, 0], 0o755) == 0)
        try await store.removeCertificate(named: folder.name)
        #expect(try DurableFile.names(in: store.layout.certificates).isEmpty)
    }
}
