import ACME
import Crypto
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import CertificateStore

/// A private state directory, removed with its last owner, and a CA and a key to fill it.
final class StoreFolder: Sendable {
    let folder: String
    let ca: TestCA
    let key = P256.Signing.PrivateKey()
    let name: CertificateName

    init() throws {
        var template = Array("/tmp/store-test-XXXXXX".utf8CString)
        let made: String? = template.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, mkdtemp(base) != nil else { return nil }
            return String(cString: base)
        }
        folder = try #require(made)
        ca = try TestCA()
        name = try CertificateName("www.example.org")
    }

    deinit { try? DurableFiles(system: .real).removeTree(folder, depth: 8) }

    var state: String { folder + "/state" }
    var store: FolderStore { FolderStore(folder: state) }
    func store(_ system: StoreSystem) -> FolderStore { FolderStore(folder: state, system: system) }

    static let names = ["www.example.org", "192.0.2.1"]

    func new(names: [String] = StoreFolder.names, pem: [UInt8]? = nil, time: Int64 = TestCA.now) throws -> NewCertificate {
        NewCertificate(
            name: name, pem: try pem ?? TestCA.pem(ca.chain(key: key.publicKey, names: names)), key: "web", keyURI: "pkcs11:object=web",
            spki: key.publicKey.spki, identifiers: try names.map { try Identifier(argument: $0) },
            directory: try ACMEURL("https://acme.example/directory"), account: try ACMEURL("https://acme.example/acct/1"),
            order: try ACMEURL("https://acme.example/order/1"), certificate: try ACMEURL("https://acme.example/cert/1"), profile: "classic",
            time: time)
    }

    func read(_ path: String) throws -> [UInt8] { try #require(try DurableFiles(system: .real).read(path, limit: 1 << 24)) }
    func write(_ text: String, to path: String) throws {
        try DurableFiles(system: .real).makeFolder(DurableFiles.split(path).folder)
        try DurableFiles(system: .real).replace(path, with: Array(text.utf8), mode: 0o644)
    }

    func journal() throws -> OrderJournal {
        OrderJournal(
            name: name, directory: try ACMEURL("https://acme.example/directory"),
            identifiers: [try Identifier(argument: "www.example.org")],
            accountKey: "account", started: TestCA.now)
    }
}

/// A disk of which one call after another fails.
final class FailingDisk: Sendable {
    private let calls = Mutex((count: 0, failing: Int.max))
    private let number: Int32

    init(number: Int32 = ENOSPC) { self.number = number }

    /// Lets the call of this index fail, and every later one: a full disk stays full.
    func fail(from index: Int) { calls.withLock { $0 = (0, index) } }
    var count: Int { calls.withLock { $0.count } }

    private func fails() -> Bool {
        calls.withLock { calls in
            defer { calls.count += 1 }
            return calls.count >= calls.failing
        }
    }

    var system: StoreSystem {
        StoreSystem(
            write: { descriptor, bytes in
                guard self.fails() else { return write(descriptor, bytes.baseAddress, bytes.count) }
                // As the kernel: what fits is written.
                _ = write(descriptor, bytes.baseAddress, bytes.count / 2)
                errno = self.number
                return -1
            },
            synchronize: { descriptor in
                guard self.fails() else { return fsync(descriptor) }
                errno = self.number
                return -1
            },
            rename: { old, new in
                guard self.fails() else { return rename(old, new) }
                errno = self.number
                return -1
            })
    }
}

/// The error that a body throws.
func failure(_ body: () async throws -> Void) async -> StoreError? {
    do {
        try await body()
        return nil
    } catch { return error as? StoreError }
}
