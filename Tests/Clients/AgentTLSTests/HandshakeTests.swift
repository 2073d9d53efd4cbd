import ACME
import AgentClient
import Foundation
import JOSE
import KeyNameLiterals
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@testable import AgentTLS

/// A server with NIOSSL whose key is in the daemon's token.
@Suite struct HandshakeTests {
    @Test(arguments: [KeyAlgorithm.p256, .p384, .rsa2048, .ed25519])
    func tls13(algorithm: KeyAlgorithm) async throws {
        let agent = try await TestAgent(handshakes: ["sign-handshake"])
        let server = try await TestServer(folder: agent.issue("www", algorithm))
        let greeting = try await TestClient(trusting: agent.authority).greet(port: server.port)
        #expect(greeting.version == .tlsv13 && greeting.text == "hello\n")
        #expect(try PublicKey(spki: greeting.spki).algorithm == algorithm)
        // With SHA-384 and SHA-512, as far as the key has them.
        if algorithm == .rsa2048 {
            for scheme in [SignatureAlgorithm.rsaPssRsaeSha384, .rsaPssRsaeSha512] {
                let client = try TestClient(trusting: agent.authority) { $0.verifySignatureAlgorithms = [scheme, .ecdsaSecp256R1Sha256] }
                #expect(try await client.greet(port: server.port).version == .tlsv13)
            }
        }
        try await server.close()
        #expect(server.failures.isEmpty)
    }

    @Test(arguments: [KeyAlgorithm.p256, .p384, .rsa2048])
    func tls12WhereGranted(algorithm: KeyAlgorithm) async throws {
        let agent = try await TestAgent()
        let server = try await TestServer(folder: agent.issue("www", algorithm)) { $0.minimumTLSVersion = .tlsv12 }
        // In TLS 1.2 the client's curves also limit the curve of the certificate.
        let curves: [[NIOTLSCurve]] =
            switch algorithm {
            case .p256: [[.secp256r1], [.x25519, .secp256r1]]
            case .p384: [[.secp384r1], [.x25519, .secp384r1]]
            default: [[.x25519], [.secp256r1], [.secp384r1]]
            }
        for list in curves {
            let client = try TestClient(trusting: agent.authority) {
                $0.maximumTLSVersion = .tlsv12
                $0.curves = list
            }
            let greeting = try await client.greet(port: server.port)
            #expect(greeting.version == .tlsv12 && greeting.text == "hello\n")
        }
        if algorithm == .rsa2048 {
            let client = try TestClient(trusting: agent.authority) {
                $0.maximumTLSVersion = .tlsv12
                $0.verifySignatureAlgorithms = [.rsaPkcs1Sha256, .ecdsaSecp256R1Sha256]
            }
            #expect(try await client.greet(port: server.port).version == .tlsv12)
        }
        try await server.close()
        #expect(server.failures.isEmpty)
    }

    @Test func whatIsNotGrantedFailsWithItsReason() async throws {
        let agent = try await TestAgent(handshakes: ["sign-handshake"])
        let server = try await TestServer(folder: agent.issue("www")) { $0.minimumTLSVersion = .tlsv12 }
        let client = try TestClient(trusting: agent.authority) { $0.maximumTLSVersion = .tlsv12 }
        await #expect(throws: (any Error).self) { try await client.greet(port: server.port) }
        #expect(try await TestClient(trusting: agent.authority).greet(port: server.port).version == .tlsv13)
        try await server.close()
        let failure = try #require(server.failures.first)
        #expect(failure.reason == .refused && failure.description.hasPrefix("key \"www\": the agent did not sign: "), "\(failure)")
        #expect(failure.hint != nil)
        // The same in the channel's pipeline, where NIOSSL says only that the handshake failed.
        #expect(server.errors.compactMap { ($0 as? AgentTLSError)?.message } == [failure.message], "\(server.errors)")
    }

    /// By default only TLS 1.3 is served, which is what the usual grant allows.
    @Test func tls12IsOffByDefault() async throws {
        let agent = try await TestAgent()
        let server = try await TestServer(folder: agent.issue("www"))
        let client = try TestClient(trusting: agent.authority) { $0.maximumTLSVersion = .tlsv12 }
        await #expect(throws: (any Error).self) { try await client.greet(port: server.port) }
        try await server.close()
        #expect(server.failures.isEmpty, "the agent was asked")
    }

    /// With Ed25519, TLS 1.2 cannot be signed at all (Docs/threat-model.md).
    @Test func ed25519IsRefusedInTLS12() async throws {
        let agent = try await TestAgent()
        let server = try await TestServer(folder: agent.issue("www", .ed25519)) { $0.minimumTLSVersion = .tlsv12 }
        let client = try TestClient(trusting: agent.authority) { $0.maximumTLSVersion = .tlsv12 }
        await #expect(throws: (any Error).self) { try await client.greet(port: server.port) }
        try await server.close()
        #expect(server.failures.count <= 1 && server.failures.allSatisfy { $0.reason == .refused }, "\(server.failures)")
    }

    @Test(arguments: [KeyAlgorithm.p256, .rsa2048, .ed25519])
    func aClientPresentsACertificateOfTheAgent(algorithm: KeyAlgorithm) async throws {
        let agent = try await TestAgent()
        try await agent.issue("client", algorithm)
        let root = try NIOSSLCertificate(bytes: Array(agent.authority.root.serializeAsPEM().derBytes), format: .der)
        let server = try await TestServer(folder: agent.issue("www")) {
            $0.certificateVerification = .noHostnameVerification
            $0.trustRoots = .certificates([root])
            $0.verifySignatureAlgorithms = SignatureAlgorithm.agents
        }
        let identity = try AgentIdentity(folder: agent.folder + "/certificates/client")
        let client = try TestClient(trusting: agent.authority, identity.clientConfiguration())
        #expect(try await client.greet(port: server.port).text == "hello\n")
        // Without a certificate, the server's error comes after the client's part of the handshake.
        await #expect(throws: (any Error).self) { try await TestClient(trusting: agent.authority).greet(port: server.port) }
        try await server.close()
        #expect(server.failures.isEmpty)
        let trail = try String(contentsOfFile: agent.folder + "/agentd/audit/audit.jsonl", encoding: .utf8)
        #expect(trail.contains("TLS 1.3 client, CertificateVerify"))
    }

    /// In TLS 1.2 a client signs all messages of the handshake, which the agent cannot read: it refuses and records it.
    @Test func aClientOfTLS12IsRefused() async throws {
        let agent = try await TestAgent()
        try await agent.issue("client")
        let failures = Failures()
        let root = try NIOSSLCertificate(bytes: Array(agent.authority.root.serializeAsPEM().derBytes), format: .der)
        let server = try await TestServer(folder: agent.issue("www")) {
            $0.certificateVerification = .noHostnameVerification
            $0.trustRoots = .certificates([root])
            $0.minimumTLSVersion = .tlsv12
        }
        let identity = try AgentIdentity(folder: agent.folder + "/certificates/client", signer: AgentSigner(onFailure: failures.add))
        let client = try TestClient(trusting: agent.authority, identity.clientConfiguration()) {
            $0.minimumTLSVersion = .tlsv12
            $0.maximumTLSVersion = .tlsv12
        }
        await #expect(throws: (any Error).self) { try await client.greet(port: server.port) }
        #expect(failures.all.first?.reason == .refused && failures.all.first?.message.contains("content") == true, "\(failures.all)")
        try await server.close()
    }

    /// Docs/clients.md says how.
    @Test func theServerNameChoosesTheCertificate() async throws {
        let agent = try await TestAgent()
        let other = try AgentIdentity(folder: await agent.issue("other", .rsa2048))
        let server = try await TestServer(folder: agent.issue("www")) { configuration in
            let usual = configuration.sslContextCallback
            configuration.sslContextCallback = { values, promise in
                if values.serverHostname == "other.example.org" { promise.succeed(other.current) } else { usual?(values, promise) }
            }
        }
        let client = try TestClient(trusting: agent.authority) { $0.certificateVerification = .noHostnameVerification }
        let names = ["localhost": KeyAlgorithm.p256, "other.example.org": .rsa2048]
        for (name, algorithm) in names {
            #expect(try await PublicKey(spki: client.greet(port: server.port, name: name).spki).algorithm == algorithm)
        }
        try await server.close()
        #expect(server.failures.isEmpty)
    }

    @Test func hundredsOfHandshakesShareFewConnections() async throws {
        let agent = try await TestAgent()
        let server = try await TestServer(folder: agent.issue("www"), deadline: .seconds(60))
        let client = try TestClient(trusting: agent.authority)
        let before = try agent.sockets()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<300 { group.addTask { _ = try await client.greet(port: server.port, within: .seconds(60)) } }
            try await group.waitForAll()
        }
        let opened = try agent.sockets() - before
        #expect(opened >= 1 && opened <= AgentConnections.maximum, "\(opened)")
        try await server.close()
        #expect(server.failures.isEmpty)
    }

    @Test func nothingGrowsOverManyHandshakes() async throws {
        let agent = try await TestAgent()
        let server = try await TestServer(folder: agent.issue("www"), deadline: .seconds(60))
        let client = try TestClient(trusting: agent.authority)
        func handshakes(_ count: Int) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<count {
                    if index >= 16 { try await group.next() }
                    group.addTask { _ = try await client.greet(port: server.port, within: .seconds(60)) }
                }
                try await group.waitForAll()
            }
        }
        let isLong = ProcessInfo.processInfo.environment["ACME_AGENT_LONG_TESTS"] != nil
        try await handshakes(isLong ? 300 : 100)
        try await Task.sleep(for: .milliseconds(200))
        let (descriptors, memory) = (try openDescriptors(), try residentKiB())
        try await handshakes(isLong ? 1_000 : 300)
        try await Task.sleep(for: .milliseconds(200))
        let (more, grown) = (try openDescriptors() - descriptors, try residentKiB() - memory)
        // Other tests may run in this process, and memory comes in large pieces.
        #expect(more <= 32, "\(more) descriptors more")
        #expect(grown < (isLong ? 40 : 24) * 1024, "\(grown) KiB more")
        try await server.close()
        #expect(server.failures.isEmpty)
    }

    private func openDescriptors() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }

    private func residentKiB() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
    }
}
