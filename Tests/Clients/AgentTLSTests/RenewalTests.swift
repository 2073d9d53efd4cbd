import AgentClient
import Foundation
import JOSE
import KeyNameLiterals
import NIOCore
import NIOSSL
import Synchronization
import Testing

@testable import AgentTLS

/// A certificate and its key are replaced while the server runs.
@Suite struct RenewalTests {
    @Test func renewalsUnderLoadFailNoHandshake() async throws {
        let agent = try await TestAgent()
        let folder = try await agent.issue("www")
        let server = try await TestServer(folder: folder, deadline: .seconds(20))
        let client = try TestClient(trusting: agent.authority)
        let seen = Seen()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    while !Task.isCancelled {
                        seen.add(try await client.greet(port: server.port))
                    }
                }
            }
            // Each has a key of another kind.
            for (index, algorithm) in [KeyAlgorithm.rsa2048, .p384, .ed25519].enumerated() {
                try await Task.sleep(for: .milliseconds(300))
                try await agent.issue("www-\(index + 2)", algorithm, generation: index + 2, in: "www")
            }
            let served = seen.handshakes
            while seen.handshakes < served + 50 { try await Task.sleep(for: .milliseconds(20)) }
            group.cancelAll()
            try await group.waitForAll()
        }
        #expect(seen.certificates == 4, "\(seen.certificates)")
        try await server.close()
        #expect(server.failures.isEmpty, "\(server.failures)")
    }

    private final class Seen: Sendable {
        private let state = Mutex((certificates: Set<[UInt8]>(), handshakes: 0))
        var certificates: Int { state.withLock { $0.certificates.count } }
        var handshakes: Int { state.withLock { $0.handshakes } }
        func add(_ greeting: Greeting) {
            state.withLock { state in
                state.certificates.insert(greeting.spki)
                state.handshakes += 1
            }
        }
    }

    @Test func aNewCertificateWithTheOldKeyIsNeverServed() async throws {
        let agent = try await TestAgent()
        let first = try await spki(in: agent.issue("www"))
        let other = try await agent.issue("other")
        // A copy of both files, replaced one after the other.
        let folder = agent.folder + "/copy"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        func copy(_ name: String, from certificate: String) throws {
            let data = try Data(contentsOf: URL(fileURLWithPath: "\(agent.folder)/certificates/\(certificate)/current/\(name)"))
            try data.write(to: URL(fileURLWithPath: folder + "/" + name), options: .atomic)
        }
        try copy("fullchain.pem", from: "www")
        try copy("key.pem", from: "www")
        let server = try await TestServer(folder: folder, interval: .seconds(600))
        let client = try TestClient(trusting: agent.authority)
        try copy("fullchain.pem", from: "other")
        let failure = await #expect(throws: AgentTLSError.self) { try await server.identity.reload() }
        #expect(
            failure?.reason == .files && failure?.message.contains("is not for the key \"www\"") == true, "\(failure.map { "\($0)" } ?? "")"
        )
        #expect(try await client.greet(port: server.port).spki == first)
        // It is reported once.
        await #expect(throws: AgentTLSError.self) { try await server.identity.reload() }
        #expect(server.failures.count == 1)
        try copy("key.pem", from: "other")
        #expect(try await server.identity.reload())
        #expect(try await !server.identity.reload())
        #expect(try await client.greet(port: server.port).spki == spki(in: other))
        // Files that are damaged or gone, and back again, change nothing.
        for (name, content) in [("fullchain.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"), ("key.pem", ""), ("fullchain.pem", "")] {
            try content.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
            await #expect(throws: AgentTLSError.self) { try await server.identity.reload() }
            #expect(try await client.greet(port: server.port).spki == spki(in: other))
            try copy(name, from: "other")
            #expect(try await !server.identity.reload())
        }
        try FileManager.default.removeItem(atPath: folder + "/key.pem")
        await #expect(throws: AgentTLSError.self) { try await server.identity.reload() }
        try copy("key.pem", from: "other")
        #expect(try await !server.identity.reload())
        #expect(try await client.greet(port: server.port).spki == spki(in: other))
        try await server.close()
    }

    private func spki(in folder: String) throws -> [UInt8] {
        try NIOSSLCertificate.fromPEMFile(folder + "/current/fullchain.pem")[0].extractPublicKey().toSPKIBytes()
    }

    /// The old key is retired an hour after the renewal. A server that has not looked by then says what to do.
    @Test func aRetiredKeyIsNamed() async throws {
        let agent = try await TestAgent()
        let server = try await TestServer(folder: agent.issue("www"))
        let client = try TestClient(trusting: agent.authority)
        #expect(try await client.greet(port: server.port).text == "hello\n")
        _ = try await AgentClient.connect(socket: agent.socket).retireKey(named: "www")
        await #expect(throws: (any Error).self) { try await client.greet(port: server.port) }
        try await server.close()
        let failure = try #require(server.failures.first)
        #expect(failure.reason == .refused && failure.message == "key \"www\": the agent did not sign: key is retired", "\(failure)")
        #expect(failure.hint?.contains("acme-agent") == true)
    }

    @Test func aFolderThatCannotBeUsedIsExplained() async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/identity-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func failure() -> AgentTLSError? {
            do { _ = try AgentIdentity(folder: folder) } catch { return error as? AgentTLSError }
            return nil
        }
        #expect(failure()?.hint?.contains("/var/lib/acme-agent/certificates/NAME") == true)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        #expect(failure()?.message.contains("fullchain.pem") == true)
        try "nothing".write(toFile: folder + "/fullchain.pem", atomically: true, encoding: .utf8)
        #expect(failure()?.message.contains("key.pem") == true)
        try "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".write(
            toFile: folder + "/key.pem", atomically: true, encoding: .utf8)
        #expect(failure()?.message.contains("no certificate") == true)
        let spki = PublicKey.ed25519([UInt8](repeating: 1, count: 32)).spki
        try TestAuthority().chain(for: spki).write(toFile: folder + "/fullchain.pem", atomically: true, encoding: .utf8)
        #expect(failure()?.hint?.contains("write \"key.pem\"") == true)
    }

    /// Servers keep a configuration, and nothing else of it.
    @Test func anIdentityLivesAsLongAsItsConfiguration() async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/identity-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let spki = PublicKey.ed25519([UInt8](repeating: 1, count: 32)).spki
        try TestAuthority().chain(for: spki).write(toFile: folder + "/fullchain.pem", atomically: true, encoding: .utf8)
        try Data(KeyFile.encode(name: "www", socket: nil, spki: spki)).write(to: URL(fileURLWithPath: folder + "/key.pem"))
        weak var weakly: AgentIdentity?
        do {
            let configuration: TLSConfiguration
            do {
                let identity = try AgentIdentity(folder: folder, interval: .milliseconds(10))
                weakly = identity
                configuration = identity.serverConfiguration()
            }
            try await Task.sleep(for: .milliseconds(50))
            #expect(weakly != nil)
            _ = configuration.sslContextCallback
        }
        for _ in 0..<100 where weakly != nil { try await Task.sleep(for: .milliseconds(20)) }
        #expect(weakly == nil)
    }
}
