import ACME
import Crypto
import DurableFile
import Foundation
import Glibc
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
        var template = Array("\(FileManager.default.temporaryDirectory.path)/store-test-XXXXXX".utf8CString)
        let made: String? = template.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, mkdtemp(base) != nil else { return nil }
            return String(cString: base)
        }
        folder = try #require(made)
        ca = try TestCA()
        name = try CertificateName("www.example.org")
    }

    deinit {
        let (above, name) = DurableFile.split(folder)
        try? Folder(above).removeTree(name, depth: 8)
    }

    var state: String { folder + "/state" }
    var store: FolderStore { FolderStore(folder: state) }
    func store(_ calls: FileCalls) -> FolderStore { FolderStore(folder: state, calls: calls) }

    static let names = ["www.example.org", "192.0.2.1"]

    func new(names: [String] = StoreFolder.names, pem: [UInt8]? = nil, time: Int64 = TestCA.now) throws -> NewCertificate {
        NewCertificate(
            name: name, pem: try pem ?? TestCA.pem(ca.chain(key: key.publicKey, names: names)), key: "web", keyURI: "pkcs11:object=web",
            spki: key.publicKey.spki, identifiers: try names.map { try Identifier(argument: $0) },
            directory: try ACMEURL("https://acme.example/directory"), account: try ACMEURL("https://acme.example/acct/1"),
            order: try ACMEURL("https://acme.example/order/1"), certificate: try ACMEURL("https://acme.example/cert/1"), profile: "classic",
            time: time)
    }

    func read(_ path: String) throws -> [UInt8] { try DurableFile.read(path, limit: 1 << 24) }
    func write(_ text: String, to path: String) throws {
        try Folder.make(DurableFile.parent(of: path), mode: 0o755)
        try DurableFile.replace(path, with: Array(text.utf8), mode: 0o644)
    }

    func journal() throws -> OrderJournal {
        OrderJournal(
            name: name, directory: try ACMEURL("https://acme.example/directory"),
            identifiers: [try Identifier(argument: "www.example.org")],
            accountKey: "account", started: TestCA.now)
    }
}

/// The error that a body throws.
func failure(_ body: () async throws -> Void) async -> StoreError? {
    do {
        try await body()
        return nil
    } catch { return error as? StoreError }
}
