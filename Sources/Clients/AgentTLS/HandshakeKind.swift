import ACME
import NIOSSL

/// Which call of the agent signs what a TLS implementation wants signed. The agent takes the content apart to its last
/// byte; this only finds the call.
enum HandshakeKind {
    /// RFC 8446 §4.4.3.
    private static let spaces = [UInt8](repeating: 0x20, count: 64)
    private static let server = spaces + Array("TLS 1.3, server CertificateVerify".utf8) + [0]
    private static let client = spaces + Array("TLS 1.3, client CertificateVerify".utf8) + [0]
    /// A ServerKeyExchange's signed content: both randoms, then ECParameters with a named curve, then the point (RFC
    /// 8422 §5.4), of X25519, P-256 and P-384.
    private static let keyExchangeLengths = [100, 133, 165]
    private static let randoms = 32 + 32
    private static let namedCurve: UInt8 = 3

    /// Content in none of these forms, such as all messages of a handshake, which a TLS 1.2 client signs, is sent as a
    /// server's handshake, so that the agent refuses and records it.
    static func message(of content: [UInt8]) -> HandshakeMessage {
        if content.starts(with: client) { return .clientCertificateVerify }
        if content.starts(with: server) { return .serverCertificateVerify }
        if keyExchangeLengths.contains(content.count), content[randoms] == namedCurve { return .serverKeyExchange }
        return .serverCertificateVerify
    }

    /// The agent refuses and records whatever is not a handshake; this is as much as it has to read for that.
    static let contentMaximum = 64 * 1024
}

extension SignatureAlgorithm {
    /// The name in RFC 8446 §4.2.3; `nil` for those that the agent never signs with: SHA-1 among them.
    var scheme: String? {
        switch self {
        case .ecdsaSecp256R1Sha256: "ecdsa_secp256r1_sha256"
        case .ecdsaSecp384R1Sha384: "ecdsa_secp384r1_sha384"
        case .ecdsaSecp521R1Sha512: "ecdsa_secp521r1_sha512"
        case .rsaPssRsaeSha256: "rsa_pss_rsae_sha256"
        case .rsaPssRsaeSha384: "rsa_pss_rsae_sha384"
        case .rsaPssRsaeSha512: "rsa_pss_rsae_sha512"
        case .rsaPkcs1Sha256: "rsa_pkcs1_sha256"
        case .rsaPkcs1Sha384: "rsa_pkcs1_sha384"
        case .rsaPkcs1Sha512: "rsa_pkcs1_sha512"
        case .ed25519: "ed25519"
        default: nil
        }
    }

    /// TLS 1.2 takes only the hash from an ECDSA scheme, so a key of either curve signs with all three there.
    static let ecdsa: [SignatureAlgorithm] = [.ecdsaSecp256R1Sha256, .ecdsaSecp384R1Sha384, .ecdsaSecp521R1Sha512]
    static let rsa: [SignatureAlgorithm] = [
        .rsaPssRsaeSha256, .rsaPssRsaeSha384, .rsaPssRsaeSha512, .rsaPkcs1Sha256, .rsaPkcs1Sha384, .rsaPkcs1Sha512,
    ]
    /// Those of all keys of the agent.
    static let agents: [SignatureAlgorithm] = [.ed25519] + ecdsa + rsa
}
