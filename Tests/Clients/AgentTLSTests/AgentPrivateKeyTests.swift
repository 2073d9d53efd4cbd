import ACME
import Foundation
import JOSE
import KeyNameLiterals
import NIOSSL
import Testing
import X509

@testable import AgentTLS

@Suite struct AgentPrivateKeyTests {
    private static let spaces = [UInt8](repeating: 0x20, count: 64)

    private static func keyExchange(_ curve: UInt8, _ length: UInt8) -> [UInt8] {
        [UInt8](repeating: 7, count: 64) + [3, 0, curve, length] + [UInt8](repeating: 4, count: Int(length))
    }

    @Test func theCallIsTheOneForTheContent() {
        func verify(_ role: String, _ spaces: Int = 64, hash: Int = 32) -> [UInt8] {
            [UInt8](repeating: 0x20, count: spaces) + Array("TLS 1.3, \(role) CertificateVerify".utf8)
                + [UInt8](repeating: 0, count: hash + 1)
        }
        for hash in [32, 48] {
            #expect(HandshakeKind.message(of: verify("server", hash: hash)) == .serverCertificateVerify)
            #expect(HandshakeKind.message(of: verify("client", hash: hash)) == .clientCertificateVerify)
        }
        for (curve, length) in [(29, 32), (23, 65), (24, 97)] as [(UInt8, UInt8)] {
            #expect(HandshakeKind.message(of: Self.keyExchange(curve, length)) == .serverKeyExchange)
        }
        // Whatever is none of these is sent as a server's handshake, for the agent to refuse and record.
        let others: [[UInt8]] = [
            [], [3], verify("client", 63), verify("client", 65), verify("Client"), Self.keyExchange(30, 56), Self.keyExchange(25, 133),
            [UInt8](repeating: 0, count: 100), [UInt8](repeating: 0, count: 133), [UInt8](repeating: 3, count: 64),
            Array(repeating: 9, count: 40_000),
        ]
        for content in others { #expect(HandshakeKind.message(of: content) == .serverCertificateVerify) }
    }

    /// RFC 8446 §4.2.3.
    @Test func schemesHaveTheNamesOfTheStandard() {
        #expect(SignatureAlgorithm.agents.allSatisfy { $0.scheme != nil })
        #expect(Set(SignatureAlgorithm.agents.compactMap(\.scheme)).count == SignatureAlgorithm.agents.count)
        for weak in [SignatureAlgorithm.rsaPkcs1Sha1, .ecdsaSha1] { #expect(weak.scheme == nil) }
    }

    /// What no TLS of this process asks for, but a program with the key could.
    @Test func onlyHandshakesAreSigned() async throws {
        let agent = try await TestAgent()
        let file = try await agent.issue("www") + "/current/key.pem"
        let key = try AgentPrivateKey(file: file)
        let content = Self.spaces + Array("TLS 1.3, server CertificateVerify".utf8) + [UInt8](repeating: 0, count: 33)
        let signature = try await key.signAsynchronously(bytes: content, signatureAlgorithm: .ecdsaWithSHA256)
        let half = Certificate.PrivateKey(key).publicKey
        #expect(half.isValidSignature(signature.rawRepresentation, for: content, signatureAlgorithm: .ecdsaWithSHA256))
        // A digest, and what a certificate request would be.
        for content in [[UInt8](repeating: 1, count: 32), [0x30, 0x20, 0x02, 0x01, 0x00] + [UInt8](repeating: 0, count: 29)] {
            let failure = await #expect(throws: AgentTLSError.self) {
                try await key.signAsynchronously(bytes: content, signatureAlgorithm: .ecdsaWithSHA256)
            }
            #expect(failure?.reason == .refused)
        }
        let long = await #expect(throws: AgentTLSError.self) {
            try await key.signAsynchronously(bytes: [UInt8](repeating: 1, count: 70_000), signatureAlgorithm: .ecdsaWithSHA256)
        }
        #expect(long?.reason == .unsupported)
        let wrong = await #expect(throws: AgentTLSError.self) {
            try await key.signAsynchronously(bytes: content, signatureAlgorithm: .ed25519)
        }
        #expect(wrong?.reason == .unsupported)
        #expect(throws: AgentTLSError.self) { try key.signSynchronously(bytes: content, signatureAlgorithm: .ecdsaWithSHA256) }
        // A certificate cannot be signed with it.
        await #expect(throws: (any Error).self) {
            try await Certificate.PrivateKey(key).signAsynchronously(
                bytes: Array("a certificate".utf8), signatureAlgorithm: .ecdsaWithSHA256)
        }
    }

    /// Its PEM is its key file.
    @Test(arguments: [KeyAlgorithm.p256, .p384, .rsa2048, .ed25519])
    func aKeyIsWrittenAsItsKeyFile(algorithm: KeyAlgorithm) async throws {
        let agent = try await TestAgent()
        let folder = try await agent.issue("www", algorithm)
        let key = try AgentPrivateKey(file: folder + "/current/key.pem")
        let again = try AgentPrivateKey(pem: Array(key.serializeAsPEM().pemString.utf8))
        #expect(again == key && again.hashValue == key.hashValue && again.name == "www" && again.socket == agent.socket)
        #expect(key.supportedSignatureAlgorithms.contains(key.defaultSignatureAlgorithm))
        #expect(key != (try AgentPrivateKey(file: folder + "/current/key.pem", signer: AgentSigner())))
    }

    @Test func aFileThatNamesNoKeyIsExplained() throws {
        let missing = #expect(throws: AgentTLSError.self) { try AgentPrivateKey(file: "/nowhere/key.pem") }
        #expect(missing?.message.contains("/nowhere/key.pem") == true)
        let spki = PublicKey.ed25519([UInt8](repeating: 1, count: 32)).spki
        let name = #expect(throws: AgentTLSError.self) { try AgentPrivateKey(pem: KeyFile.encode(name: "../x", socket: nil, spki: spki)) }
        #expect(name?.reason == .files && name?.message.contains("\"../x\" is not a key name") == true)
        let secret = Array("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".utf8)
        #expect(throws: AgentTLSError.self) { try AgentPrivateKey(pem: secret) }
    }
}
