import ACME
import Crypto
import CryptoExtras
import JOSE
import Testing
import TokenProtocol

@testable import Keyring

@Suite struct HandshakeTests {
    static func content(spaces: Int = 64, context: String = "TLS 1.3, server CertificateVerify", hash: Int) -> [UInt8] {
        [UInt8](repeating: 0x20, count: spaces) + Array(context.utf8) + [0] + [UInt8](repeating: 0xAB, count: hash)
    }

    static let clientContext = "TLS 1.3, client CertificateVerify"

    @Test(arguments: [32, 48])
    func aServersCertificateVerifyIsTaken(_ hash: Int) throws {
        let content = HandshakeTests.content(hash: hash)
        #expect(content.count == 98 + hash)
        let handshake = try HandshakeContent(.serverCertificateVerify, content: content, scheme: "ecdsa_secp256r1_sha256")
        let software = try SoftwareKey.make(.p256)
        let plan = try SigningPlan.handshake(handshake, key: try software.signingKey("web-1", .certificate))
        let task = plan.task
        guard case .done(let meaning) = try plan.resume(try software.sign(task.input)) else {
            Issue.record("a handshake needs one signature")
            return
        }
        #expect(meaning.handshake?.first == 0x30)
    }

    @Test(arguments: [32, 48])
    func aClientsCertificateVerifyIsAnotherMessage(_ hash: Int) throws {
        let client = HandshakeTests.content(context: HandshakeTests.clientContext, hash: hash)
        let server = HandshakeTests.content(hash: hash)
        let scheme = "ecdsa_secp256r1_sha256"
        _ = try HandshakeContent(.clientCertificateVerify, content: client, scheme: scheme)
        #expect(throws: CompositionError.self) { try HandshakeContent(.clientCertificateVerify, content: server, scheme: scheme) }
        #expect(throws: CompositionError.self) { try HandshakeContent(.serverCertificateVerify, content: client, scheme: scheme) }
    }

    @Test(arguments: [HandshakeMessage.serverCertificateVerify, .clientCertificateVerify])
    func anythingElseIsRefused(_ message: HandshakeMessage) {
        let context = message == .serverCertificateVerify ? "TLS 1.3, server CertificateVerify" : HandshakeTests.clientContext
        let hostile: [[UInt8]] = [
            HandshakeTests.content(spaces: 63, context: context, hash: 32), HandshakeTests.content(spaces: 65, context: context, hash: 32),
            // The length is right and the parts are not.
            HandshakeTests.content(spaces: 63, context: context, hash: 33), HandshakeTests.content(spaces: 65, context: context, hash: 31),
            HandshakeTests.content(context: context, hash: 31), HandshakeTests.content(context: context, hash: 33),
            HandshakeTests.content(context: context, hash: 47), HandshakeTests.content(context: context, hash: 49),
            HandshakeTests.content(context: context, hash: 64), HandshakeTests.content(context: context, hash: 0),
            // RFC 9345 §4, RFC 9261 §5.2.2
            HandshakeTests.content(context: "TLS, server delegated credentials", hash: 32),
            HandshakeTests.content(context: "TLS, client delegated credentials", hash: 32),
            HandshakeTests.content(context: "Exported Authenticator", hash: 32),
            ServerKeyExchangeTests.content(.x25519), ServerKeyExchangeTests.content(.p256), ServerKeyExchangeTests.content(.p384),
            [UInt8](repeating: 0xAB, count: 32), [UInt8](repeating: 0xAB, count: 48), Array("eyJhbGciOiJFUzI1NiJ9.e30".utf8), [],
        ]
        for content in hostile {
            #expect(throws: CompositionError.self) { try HandshakeContent(message, content: content, scheme: "ecdsa_secp256r1_sha256") }
        }
    }

    @Test(arguments: [
        "rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512", "rsa_pkcs1_sha1", "ecdsa_sha1", "ecdsa_secp521r1_sha512",
        "rsa_pss_pss_sha256", "",
    ])
    func schemesOutsideTLS13AreRefused(_ scheme: String) {
        for (message, context) in [
            (HandshakeMessage.serverCertificateVerify, "TLS 1.3, server CertificateVerify"),
            (.clientCertificateVerify, HandshakeTests.clientContext),
        ] {
            #expect(throws: CompositionError.self) {
                try HandshakeContent(message, content: HandshakeTests.content(context: context, hash: 32), scheme: scheme)
            }
        }
    }

    /// TLS 1.3 binds the curve to the hash.
    @Test(arguments: KeyAlgorithm.allCases)
    func aKeyHasItsOwnSchemesInTLS13(_ algorithm: KeyAlgorithm) throws {
        let key = try SoftwareKey.make(algorithm).signingKey("web-1", .certificate)
        let own: Set<String>
        switch key.algorithm {
        case .p256: own = ["ecdsa_secp256r1_sha256"]
        case .p384: own = ["ecdsa_secp384r1_sha384"]
        case .rsa2048, .rsa3072, .rsa4096: own = ["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"]
        case .ed25519: own = ["ed25519"]
        }
        for scheme in TLSSignatureScheme.allCases {
            let plan = try? SigningPlan.handshake(
                HandshakeContent(.serverCertificateVerify, content: HandshakeTests.content(hash: 32), scheme: scheme.rawValue), key: key)
            #expect((plan != nil) == own.contains(scheme.rawValue), "\(scheme.rawValue)")
        }
    }

    @Test(arguments: HandshakeMessage.allCases)
    func anAccountKeyAndARetiredKeySignNone(_ message: HandshakeMessage) throws {
        let content: [UInt8]
        switch message {
        case .serverCertificateVerify: content = HandshakeTests.content(hash: 32)
        case .clientCertificateVerify: content = HandshakeTests.content(context: HandshakeTests.clientContext, hash: 32)
        case .serverKeyExchange: content = ServerKeyExchangeTests.content(.x25519)
        }
        let handshake = try HandshakeContent(message, content: content, scheme: "ecdsa_secp256r1_sha256")
        let software = try SoftwareKey.make(.p256)
        _ = try SigningPlan.handshake(handshake, key: try software.signingKey("web-1", .certificate))
        for key in [
            try software.signingKey("account-1", .account), try software.signingKey("web-1", .certificate, state: .retired),
        ] {
            let error = #expect(throws: CompositionError.self) { try SigningPlan.handshake(handshake, key: key) }
            #expect(error?.parameter == "key")
        }
    }

    /// Version, role, message, scheme, hash.
    @Test(arguments: [
        (
            HandshakeMessage.serverCertificateVerify, "ecdsa_secp256r1_sha256",
            "TLS 1.3 server, CertificateVerify, ecdsa_secp256r1_sha256, SHA-256"
        ),
        (.clientCertificateVerify, "ecdsa_secp256r1_sha256", "TLS 1.3 client, CertificateVerify, ecdsa_secp256r1_sha256, SHA-256"),
        (.serverKeyExchange, "ecdsa_secp384r1_sha384", "TLS 1.2 server, ServerKeyExchange, ecdsa_secp384r1_sha384, SHA-384"),
    ])
    func theTrailSaysWhichHandshake(_ message: HandshakeMessage, _ scheme: String, _ words: String) throws {
        let content =
            message == .serverKeyExchange
            ? ServerKeyExchangeTests.content(.x25519)
            : HandshakeTests.content(
                context: message == .serverCertificateVerify ? "TLS 1.3, server CertificateVerify" : HandshakeTests.clientContext, hash: 32)
        let key = try SoftwareKey.make(.p256).signingKey("web-1", .certificate)
        let plan = try SigningPlan.handshake(HandshakeContent(message, content: content, scheme: scheme), key: key)
        #expect(plan.task.what == words)
        #expect(plan.task.input.auditDigest.hasPrefix(scheme.hasSuffix("384") ? "sha384:" : "sha256:"))
    }
}
