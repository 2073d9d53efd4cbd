import ACME
import Crypto
import JOSE
import TokenProtocol

/// A SignatureScheme of TLS, by its name in RFC 8446 §4.2.3. Those with SHA-1 or MD5 have no spelling here.
public enum TLSSignatureScheme: String, Sendable, CaseIterable {
    case ecdsaP256 = "ecdsa_secp256r1_sha256"
    case ecdsaP384 = "ecdsa_secp384r1_sha384"
    case ecdsaP521 = "ecdsa_secp521r1_sha512"
    case rsaPSSSHA256 = "rsa_pss_rsae_sha256"
    case rsaPSSSHA384 = "rsa_pss_rsae_sha384"
    case rsaPSSSHA512 = "rsa_pss_rsae_sha512"
    case rsaPKCS1SHA256 = "rsa_pkcs1_sha256"
    case rsaPKCS1SHA384 = "rsa_pkcs1_sha384"
    case rsaPKCS1SHA512 = "rsa_pkcs1_sha512"
    case ed25519

    /// Whether the message may be signed this way. PKCS#1 v1.5 and an ECDSA hash that is not the curve's are TLS 1.2's
    /// (RFC 8446 §4.2.3). A ServerKeyExchange is signed without Ed25519: see `ServerKeyExchange`.
    func isFor(_ message: HandshakeMessage) -> Bool {
        switch self {
        case .ecdsaP256, .ecdsaP384, .rsaPSSSHA256, .rsaPSSSHA384, .rsaPSSSHA512: true
        case .ecdsaP521, .rsaPKCS1SHA256, .rsaPKCS1SHA384, .rsaPKCS1SHA512: message == .serverKeyExchange
        case .ed25519: message != .serverKeyExchange
        }
    }

    /// How the token signs.
    var mechanism: SigningMechanism {
        switch self {
        case .ecdsaP256, .ecdsaP384, .ecdsaP521: .ecdsa
        case .rsaPSSSHA256: .rsaPSSSHA256
        case .rsaPSSSHA384: .rsaPSSSHA384
        case .rsaPSSSHA512: .rsaPSSSHA512
        case .rsaPKCS1SHA256: .rsaPKCS1SHA256
        case .rsaPKCS1SHA384: .rsaPKCS1SHA384
        case .rsaPKCS1SHA512: .rsaPKCS1SHA512
        case .ed25519: .ed25519
        }
    }

    var padding: RSAPadding {
        switch self {
        case .rsaPSSSHA256, .rsaPSSSHA384, .rsaPSSSHA512: .pss
        default: .pkcs1
        }
    }

    /// Whether a key of this kind signs the message this way. TLS 1.2 takes only the hash from an ECDSA scheme, TLS 1.3
    /// the curve too (RFC 8446 §4.2.3).
    func fits(_ algorithm: KeyAlgorithm, in message: HandshakeMessage) -> Bool {
        switch algorithm {
        case .p256: mechanism == .ecdsa && (self == .ecdsaP256 || message == .serverKeyExchange)
        case .p384: mechanism == .ecdsa && (self == .ecdsaP384 || message == .serverKeyExchange)
        case .rsa2048, .rsa3072, .rsa4096: mechanism != .ecdsa && mechanism != .ed25519
        case .ed25519: self == .ed25519
        }
    }

    /// The hash's name, for the audit trail; `nil` for Ed25519, which signs the content itself.
    var hash: String? {
        switch self {
        case .ecdsaP256, .rsaPSSSHA256, .rsaPKCS1SHA256: "SHA-256"
        case .ecdsaP384, .rsaPSSSHA384, .rsaPKCS1SHA384: "SHA-384"
        case .ecdsaP521, .rsaPSSSHA512, .rsaPKCS1SHA512: "SHA-512"
        case .ed25519: nil
        }
    }

    /// What goes to the token.
    func input(_ content: [UInt8]) -> SigningInput {
        switch self {
        case .ecdsaP256, .rsaPSSSHA256, .rsaPKCS1SHA256: .sha256(SHA256.hash(data: content))
        case .ecdsaP384, .rsaPSSSHA384, .rsaPKCS1SHA384: .sha384(SHA384.hash(data: content))
        case .ecdsaP521, .rsaPSSSHA512, .rsaPKCS1SHA512: .sha512(SHA512.hash(data: content))
        case .ed25519: .message(content)
        }
    }
}
