import Crypto
import CryptoExtras
import JOSE

/// What a key signs after hashing: the digest that goes to the token, or for Ed25519 the message itself (RFC 8032).
public enum SigningInput: Sendable {
    case sha256(SHA256Digest)
    case sha384(SHA384Digest)
    case sha512(SHA512Digest)
    case message([UInt8])

    /// The digest or message.
    var tokenInput: [UInt8] {
        switch self {
        case .sha256(let digest): digest.withUnsafeBytes { Array($0) }
        case .sha384(let digest): digest.withUnsafeBytes { Array($0) }
        case .sha512(let digest): digest.withUnsafeBytes { Array($0) }
        case .message(let bytes): bytes
        }
    }

    /// Name and hex value of the digest, for the audit trail.
    public var auditDigest: String {
        switch self {
        case .sha256(let digest): digest.withUnsafeBytes { Hexadecimal.encode($0, after: "sha256:") }
        case .sha384(let digest): digest.withUnsafeBytes { Hexadecimal.encode($0, after: "sha384:") }
        case .sha512(let digest): digest.withUnsafeBytes { Hexadecimal.encode($0, after: "sha512:") }
        case .message(let bytes): SHA256.hash(data: bytes).withUnsafeBytes { Hexadecimal.encode($0, after: "sha256:") }
        }
    }
}

/// The pinned public half of a key, prepared for verification.
///
/// A faulty signature of RSA-CRT or Ed25519 reveals the private key, and a signature by another key is lost work at
/// best. So signatures are checked before anyone sees them; the configuration may exempt ECDSA.
public enum SignatureVerifier: Sendable {
    case p256(P256.Signing.PublicKey)
    case p384(P384.Signing.PublicKey)
    case rsa(_RSA.Signing.PublicKey)
    case ed25519(Curve25519.Signing.PublicKey)

    /// - Throws: an error of swift-crypto if the key is not one, e.g. a point off its curve.
    public init(_ key: PublicKey) throws {
        switch key {
        case .ec(curve: .p256, let x, let y): self = .p256(try P256.Signing.PublicKey(x963Representation: [0x04] + x + y))
        case .ec(curve: .p384, let x, let y): self = .p384(try P384.Signing.PublicKey(x963Representation: [0x04] + x + y))
        case .rsa: self = .rsa(try _RSA.Signing.PublicKey(derRepresentation: key.spki))
        case .ed25519(let bytes): self = .ed25519(try Curve25519.Signing.PublicKey(rawRepresentation: bytes))
        }
    }

    /// Whether a signature as the token returns it (ECDSA: r‖s) was made by this key over the input.
    public func accepts(_ signature: [UInt8], over input: SigningInput, padding: RSAPadding = .pkcs1) -> Bool {
        switch (self, input) {
        case (_, .sha256(let digest)): accepts(signature, over: digest, padding: padding)
        case (_, .sha384(let digest)): accepts(signature, over: digest, padding: padding)
        case (_, .sha512(let digest)): accepts(signature, over: digest, padding: padding)
        case (.ed25519(let key), .message(let message)): key.isValidSignature(signature, for: message)
        case (_, .message): false
        }
    }

    /// With ECDSA, any digest: it takes as many bits of one as its curve has.
    private func accepts(_ signature: [UInt8], over digest: some Digest, padding: RSAPadding) -> Bool {
        switch self {
        case .p256(let key):
            guard let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
            return key.isValidSignature(signature, for: digest)
        case .p384(let key):
            guard let signature = try? P384.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
            return key.isValidSignature(signature, for: digest)
        case .rsa(let key):
            return key.isValidSignature(.init(rawRepresentation: signature), for: digest, padding: padding.cryptoPadding)
        case .ed25519: return false
        }
    }
}

/// RFC 8017: PKCS #1 v1.5 for RS256, certificate requests and TLS 1.2, PSS for TLS.
public enum RSAPadding: Sendable {
    case pkcs1, pss

    var cryptoPadding: _RSA.Signing.Padding { self == .pkcs1 ? .insecurePKCS1v1_5 : .PSS }
}
