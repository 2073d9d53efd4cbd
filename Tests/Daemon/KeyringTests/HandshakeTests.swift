import Testing

@testable import Keyring

@Suite struct HandshakeTests {
    static func content(spaces: Int = 64, context: String = "TLS 1.3, server CertificateVerify", hash: Int) -> [UInt8] {
        [UInt8](repeating: 0x20, count: spaces) + Array(context.utf8) + [0] + [UInt8](repeating: 0xAB, count: hash)
    }

    @Test(arguments: [32, 48])
    func aServersCertificateVerifyIsTaken(_ hash: Int) throws {
        let content = HandshakeTests.content(hash: hash)
        #expect(content.count == 98 + hash)
        let handshake = try ServerHandshake(content: content, scheme: "ecdsa_secp256r1_sha256")
        let software = try SoftwareKey.make(.p256)
        let plan = try SigningPlan.handshake(handshake, key: try software.signingKey("web-1", .certificate))
        let task = plan.task
        guard case .done(let meaning) = try plan.resume(try software.sign(task.input)) else {
            Issue.record("a handshake needs one signature")
            return
        }
        #expect(meaning.handshake?.first == 0x30)
    }

    @Test func anythingElseIsRefused() {
        let hostile: [[UInt8]] = [
            HandshakeTests.content(spaces: 63, hash: 32), HandshakeTests.content(spaces: 65, hash: 32),
            HandshakeTests.content(hash: 31), HandshakeTests.content(hash: 33), HandshakeTests.content(hash: 47),
            HandshakeTests.content(hash: 64), HandshakeTests.content(hash: 0),
            HandshakeTests.content(context: "TLS 1.3, client CertificateVerify", hash: 32),
            HandshakeTests.content(context: "TLS, server delegated credentials", hash: 32),
            [UInt8](repeating: 0xAB, count: 32), Array("eyJhbGciOiJFUzI1NiJ9.e30".utf8), [],
        ]
        for content in hostile {
            #expect(throws: CompositionError.self) { try ServerHandshake(content: content, scheme: "ecdsa_secp256r1_sha256") }
        }
    }

    @Test(arguments: ["rsa_pkcs1_sha256", "ecdsa_sha1", "rsa_pss_pss_sha256", ""])
    func schemesOutsideTLS13AreRefused(_ scheme: String) {
        #expect(throws: CompositionError.self) { try ServerHandshake(content: HandshakeTests.content(hash: 32), scheme: scheme) }
    }

    @Test func aSchemeOfAnotherKeyIsRefused() throws {
        let key = try SoftwareKey.make(.p256).signingKey("web-1", .certificate)
        let handshake = try ServerHandshake(content: HandshakeTests.content(hash: 32), scheme: "rsa_pss_rsae_sha256")
        #expect(throws: CompositionError.self) { try SigningPlan.handshake(handshake, key: key) }
    }
}
