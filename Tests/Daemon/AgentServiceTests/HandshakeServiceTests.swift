import ACME
import AgentClient
import AgentInterface
import AuditTrail
import Crypto
import Foundation
import JOSE
import KeyNameLiterals
import LogRecorder
import Logging
import Testing

@testable import AgentService

/// TLS handshakes from the socket to the trail.
@Suite struct HandshakeServiceTests {
    private static let server = certificateVerify("TLS 1.3, server CertificateVerify")
    private static let client = certificateVerify("TLS 1.3, client CertificateVerify")
    /// TLS 1.2 with X25519.
    private static let keyExchange = [UInt8](repeating: 7, count: 64) + [3, 0, 29, 32] + [UInt8](repeating: 9, count: 32)
    private static let scheme = "ecdsa_secp256r1_sha256"

    private static func certificateVerify(_ context: String, spaces: Int = 64, hash: Int = 32) -> [UInt8] {
        [UInt8](repeating: 0x20, count: spaces) + Array(context.utf8) + [0] + [UInt8](repeating: 0xAB, count: hash)
    }

    private static func content(_ message: HandshakeMessage) -> [UInt8] {
        switch message {
        case .serverCertificateVerify: server
        case .clientCertificateVerify: client
        case .serverKeyExchange: keyExchange
        }
    }

    private static func grant(_ operations: [String]) -> String {
        """
        [[grant]]
        name = "web"
        users = [USER]
        keys = ["*"]
        operations = [\((["create-key", "retire-key", "list-keys"] + operations).map { "\"\($0)\"" }.joined(separator: ", "))]
        cas = ["https://localhost:*"]
        """
    }

    private func sign(
        _ client: AgentClient, _ message: HandshakeMessage, key: KeyName = "web-1", _ content: [UInt8],
        scheme: String = HandshakeServiceTests.scheme
    ) async throws -> [UInt8] {
        switch message {
        case .serverCertificateVerify: try await client.handshake(key: key, content: content, scheme: scheme)
        case .clientCertificateVerify: try await client.clientHandshake(key: key, content: content, scheme: scheme)
        case .serverKeyExchange: try await client.serverKeyExchange(key: key, content: content, scheme: scheme)
        }
    }

    private func refusals(_ agent: AgentFixture) throws -> [AuditRecord] {
        try agent.trail.map { try AuditEntry(line: Array($0.utf8)).record }.filter { $0.kind == .refusal }
    }

    @Test(arguments: HandshakeMessage.allCases)
    func eachHandshakeNeedsAGrantOfItsOwn(_ granted: HandshakeMessage) async throws {
        let agent = try AgentFixture(grants: Self.grant([granted.operation.rawValue]))
        defer { agent.end() }
        let client = try await agent.client()
        let key = try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256)
        #expect(key.handshakes == [granted.operation.rawValue])
        #expect(try await client.keys().map(\.handshakes) == [key.handshakes])
        for message in HandshakeMessage.allCases {
            let content = Self.content(message)
            guard message != granted else {
                let signature = try await sign(client, message, content)
                let publicKey = try P256.Signing.PublicKey(derRepresentation: key.publicKey.spki)
                #expect(publicKey.isValidSignature(try P256.Signing.ECDSASignature(derRepresentation: signature), for: content))
                continue
            }
            let error = await #expect(throws: AgentError.self, "\(message)") { try await sign(client, message, content) }
            guard case .refused("not-permitted", _, _, _)? = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            let refusal = try #require(try refusals(agent).last)
            #expect(refusal.operation == message.operation.rawValue && refusal.error == "operation-not-granted")
            #expect(refusal.detail == Self.lack(message.operation.rawValue))
        }
        #expect(try refusals(agent).count == 2)
        #expect(agent.token.signatures == 1)
    }

    /// What log and trail say about an operation that a grant with the key does not have.
    private static func lack(_ operation: String) -> String {
        "operation-not-granted: nearest is grant \"web\", which lacks the operation \"\(operation)\""
    }

    /// A server that names its key by URI needs list-keys to load it. The caller learns nothing of the key; the
    /// administrator learns what is missing.
    @Test func aKeyThatMayNotBeListedIsRefusedWithTheGrantThatCameClosest() async throws {
        let other = """

            [[grant]]
            name = "mail"
            users = ["4242"]
            keys = ["*"]
            operations = ["list-keys"]
            """
        let grant = Self.grant(["sign-handshake"]).replacingOccurrences(of: "\"list-keys\", ", with: "")
            .replacingOccurrences(of: "[\"*\"]", with: "[\"web-*\"]")
        let lines = LogRecorder.Lines()
        let agent = try AgentFixture(grants: grant + other, logger: Logger(label: "test") { _ in LogRecorder(lines: lines) })
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256)
        for name: KeyName in ["web-1", "web-none"] {
            await #expect(throws: AgentError.keyNotFound(name: name.rawValue)) { try await client.key(named: name) }
        }
        #expect(try refusals(agent).map(\.detail) == [Self.lack("list-keys"), Self.lack("list-keys")])
        #expect(try refusals(agent).map(\.key) == ["web-1", "web-none"])
        let logged = lines.texts.withLock { $0.filter { $0.hasPrefix("refused ") } }
        #expect(logged.count == 2 && logged.allSatisfy { $0.contains(Self.lack("list-keys")) && $0.contains("list-keys") }, "\(logged)")
        // A name that no grant covers may be free: programs look for such names.
        await #expect(throws: AgentError.keyNotFound(name: "mail-1")) { try await client.key(named: "mail-1") }
        #expect(try refusals(agent).count == 2)
    }

    /// Whatever is asked for, with all three granted: a content is its own message's only.
    @Test func aContentThatIsNotTheMessagesIsRefusedAndWrittenDown() async throws {
        let agent = try AgentFixture(grants: Self.grant(HandshakeMessage.allCases.map(\.operation.rawValue)))
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256)
        var calls: [(HandshakeMessage, [UInt8], String)] = []
        for message in HandshakeMessage.allCases {
            for other in HandshakeMessage.allCases where other != message { calls.append((message, Self.content(other), Self.scheme)) }
            let hostile: [[UInt8]] = [
                [UInt8](repeating: 0xAB, count: 32), [UInt8](repeating: 0xAB, count: 48),
                Self.certificateVerify("TLS, server delegated credentials"), Self.certificateVerify("Exported Authenticator"),
                Self.certificateVerify("TLS 1.3, server CertificateVerify", spaces: 63),
                Self.certificateVerify("TLS 1.3, client CertificateVerify", spaces: 65),
                Self.certificateVerify("TLS 1.3, server CertificateVerify", hash: 31),
                Self.certificateVerify("TLS 1.3, client CertificateVerify", hash: 33),
                Self.certificateVerify("TLS 1.3, server CertificateVerify", hash: 47), Self.keyExchange + [0],
                [0x30, 0x62, 0x02, 0x01, 0x00, 0x30] + Self.keyExchange.dropFirst(6), Array("eyJhbGciOiJFUzI1NiJ9.e30".utf8),
                // All messages of a handshake, as TLS 1.2's client signs them.
                [1, 0, 31, 60] + [UInt8](repeating: 3, count: 8_000),
            ]
            calls += hostile.map { (message, $0, Self.scheme) }
            calls += ["rsa_pkcs1_sha1", "ecdsa_sha1", "ed25519", "rsa_pss_rsae_sha256"].map { (message, Self.content(message), $0) }
        }
        for (index, call) in calls.enumerated() {
            let error = await #expect(throws: AgentError.self, "\(call)") { try await sign(client, call.0, call.1, scheme: call.2) }
            guard case .invalidRequest(let parameter, _, _)? = error else {
                Issue.record("\(call): \(String(describing: error))")
                continue
            }
            #expect(["content", "scheme"].contains(parameter))
            let written = try refusals(agent)
            #expect(written.count == index + 1)
            let record = try #require(written.last)
            #expect(record.error == "invalid-request" && record.operation == call.0.operation.rawValue && record.key == "web-1")
            #expect(record.grant == "web" && record.result == "refused")
            #expect(record.detail?.hasPrefix("\(parameter): ") == true)
        }
        #expect(agent.token.signatures == 0)
    }

    @Test func aRetiredKeyAndAnAccountKeySignNoHandshake() async throws {
        let agent = try AgentFixture(grants: Self.grant(HandshakeMessage.allCases.map(\.operation.rawValue)))
        defer { agent.end() }
        let client = try await agent.client()
        #expect(try await client.accountKey().handshakes.isEmpty)
        #expect(try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256).handshakes.count == 3)
        #expect(try await client.retireKey(named: "web-1").handshakes.isEmpty)
        for message in HandshakeMessage.allCases {
            for key in ["web-1", "account-1"] as [KeyName] {
                let error = await #expect(throws: AgentError.self) { try await sign(client, message, key: key, Self.content(message)) }
                guard case .invalidRequest("key", _, _)? = error else {
                    Issue.record("\(String(describing: error))")
                    continue
                }
                let record = try #require(try refusals(agent).last)
                #expect(record.error == "invalid-request" && record.key == key && record.operation == message.operation.rawValue)
            }
        }
        #expect(agent.token.signatures == 0)
    }

    @Test func theStatusNamesTheKeysThatSignForTLS12() async throws {
        let agent = try AgentFixture(
            grants: Self.grant([]) + """

                [[grant]]
                name = "old"
                users = [4242]
                keys = ["web-*", "mail", "absent"]
                operations = ["sign-server-key-exchange"]
                """)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey("web-0")
        for name in ["web-2", "web-1", "web-retired", "mail", "zone"] as [KeyName] {
            _ = try await client.createKey(named: name, usage: .certificate, algorithm: .p256)
        }
        _ = try await client.retireKey(named: "web-retired")
        // The test is the agent's own user, who sees others' grants.
        #expect(try await client.status().serverKeyExchangeKeys == ["mail", "web-1", "web-2"])
        try agent.write(grants: Self.grant(["sign-handshake"]))
        try await agent.reload()
        #expect(try await client.status().serverKeyExchangeKeys.isEmpty)
    }

    /// A prefix may cover more names than a status looks at.
    @Test func namesWrittenInFullAreLookedAtFirst() {
        let many = (0..<1_100).map { KeyName(stringLiteral: "account-\($0)") }
        let names = AgentService.names(of: [.prefix(""), .name("web-1"), .prefix(""), .prefix("x")], limit: 1_024) { prefix, limit in
            Array((prefix.isEmpty ? many : ["x-1"]).prefix(limit))
        }
        #expect(names.count == 1_024 && names.first == "web-1")
        let few = AgentService.names(of: [.prefix("web-"), .prefix("web-"), .prefix("x")], limit: 4) { prefix, _ in
            [KeyName(stringLiteral: prefix + "1")]
        }
        #expect(few.sorted() == ["web-1", "x1"])
    }

    /// Version and role, message, scheme, hash.
    @Test func theTrailSaysWhichHandshakeWasSigned() async throws {
        let agent = try AgentFixture(grants: Self.grant(HandshakeMessage.allCases.map(\.operation.rawValue)))
        defer { agent.end() }
        let client = try await agent.client()
        let key = try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256)
        let publicKey = try P256.Signing.PublicKey(derRepresentation: key.publicKey.spki)
        for (message, scheme) in [
            (HandshakeMessage.serverCertificateVerify, "ecdsa_secp256r1_sha256"), (.clientCertificateVerify, "ecdsa_secp256r1_sha256"),
            (.serverKeyExchange, "ecdsa_secp384r1_sha384"), (.serverKeyExchange, "ecdsa_secp521r1_sha512"),
        ] {
            let content = Self.content(message)
            let signature = try P256.Signing.ECDSASignature(derRepresentation: try await sign(client, message, content, scheme: scheme))
            switch scheme {
            case "ecdsa_secp384r1_sha384": #expect(publicKey.isValidSignature(signature, for: SHA384.hash(data: content)))
            case "ecdsa_secp521r1_sha512": #expect(publicKey.isValidSignature(signature, for: SHA512.hash(data: content)))
            default: #expect(publicKey.isValidSignature(signature, for: content))
            }
        }
        let signed = try agent.trail.map { try AuditEntry(line: Array($0.utf8)).record }
            .filter { $0.operation?.hasPrefix("sign-") == true }
        #expect(signed.map(\.kind) == [.intent, .outcome, .intent, .outcome, .intent, .outcome, .intent, .outcome])
        #expect(
            signed.filter { $0.kind == .intent }.map(\.detail) == [
                "TLS 1.3 server, CertificateVerify, ecdsa_secp256r1_sha256, SHA-256",
                "TLS 1.3 client, CertificateVerify, ecdsa_secp256r1_sha256, SHA-256",
                "TLS 1.2 server, ServerKeyExchange, ecdsa_secp384r1_sha384, SHA-384",
                "TLS 1.2 server, ServerKeyExchange, ecdsa_secp521r1_sha512, SHA-512",
            ])
        #expect(signed.compactMap { $0.digest?.prefix(7) } == ["sha256:", "sha256:", "sha384:", "sha512:"])
        #expect(signed.filter { $0.kind == .outcome }.allSatisfy { $0.result == "signed" })
    }
}
