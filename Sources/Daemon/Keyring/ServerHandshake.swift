import Crypto
import JOSE
import TokenProtocol

/// The content of a TLS 1.3 server CertificateVerify (RFC 8446 §4.4.3), and nothing else: 64 spaces, the server's
/// context string, a zero byte and a transcript hash of 32 or 48 bytes. Client authentication, delegated credentials
/// and exporters have other context strings and are refused.
public struct ServerHandshake: Sendable {
    /// Signature schemes by their names in RFC 8446 §4.2.3.
    public enum Scheme: String, Sendable, CaseIterable {
        case ecdsaP256 = "ecdsa_secp256r1_sha256"
        case ecdsaP384 = "ecdsa_secp384r1_sha384"
        case rsaPSSSHA256 = "rsa_pss_rsae_sha256"
        case rsaPSSSHA384 = "rsa_pss_rsae_sha384"
        case ed25519 = "ed25519"
    }

    private static let context = [UInt8](repeating: 0x20, count: 64) + Array("TLS 1.3, server CertificateVerify".utf8) + [0]

    let content: [UInt8]
    let scheme: Scheme

    /// - Throws: `CompositionError` if the content is anything but such a structure, or the scheme is not one of those
    ///   above.
    public init(content: [UInt8], scheme: String) throws(CompositionError) {
        guard let scheme = Scheme(rawValue: scheme) else {
            throw CompositionError("scheme", "must be one of " + Scheme.allCases.map(\.rawValue).joined(separator: ", "))
        }
        let head = ServerHandshake.context.count
        guard content.count == head + 32 || content.count == head + 48, content.starts(with: ServerHandshake.context) else {
            throw CompositionError("content", "is not the content of a TLS 1.3 server CertificateVerify (RFC 8446 section 4.4.3)")
        }
        self.content = content
        self.scheme = scheme
    }

    func task(for key: SigningKey) throws(CompositionError) -> SigningTask {
        guard key.usage == .certificate else { throw CompositionError("key", "is an account key, which does not sign handshakes") }
        guard key.state == .active else { throw CompositionError("key", "is retired") }
        switch (key.algorithm, scheme) {
        case (.p256, .ecdsaP256):
            return SigningTask(
                "handshake", key: key, mechanism: .ecdsa, input: .sha256(SHA256.hash(data: content)), padding: .pkcs1)
        case (.p384, .ecdsaP384):
            return SigningTask(
                "handshake", key: key, mechanism: .ecdsa, input: .sha384(SHA384.hash(data: content)), padding: .pkcs1)
        case (.rsa2048, .rsaPSSSHA256), (.rsa3072, .rsaPSSSHA256), (.rsa4096, .rsaPSSSHA256):
            return SigningTask(
                "handshake", key: key, mechanism: .rsaPSSSHA256, input: .sha256(SHA256.hash(data: content)), padding: .pss)
        case (.rsa2048, .rsaPSSSHA384), (.rsa3072, .rsaPSSSHA384), (.rsa4096, .rsaPSSSHA384):
            return SigningTask(
                "handshake", key: key, mechanism: .rsaPSSSHA384, input: .sha384(SHA384.hash(data: content)), padding: .pss)
        case (.ed25519, .ed25519):
            return SigningTask("handshake", key: key, mechanism: .ed25519, input: .message(content), padding: .pkcs1)
        default: throw CompositionError("scheme", "\(scheme.rawValue) is not for a key of type \(key.algorithm.rawValue)")
        }
    }

    /// The signature as it appears in the handshake message: DER for ECDSA.
    static func encode(_ signature: [UInt8], for key: SigningKey) -> [UInt8]? {
        switch key.algorithm {
        case .p256, .p384: ECDSASignature.der(raw: signature)
        default: signature
        }
    }
}
