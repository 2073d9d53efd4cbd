import ACME
import Crypto
import CryptoExtras
import JOSE
import KeyNameLiterals
import Testing
import TokenProtocol

@testable import Keyring

/// A key pair of swift-crypto that stands in for a token.
enum SoftwareKey {
    case p256(P256.Signing.PrivateKey)
    case p384(P384.Signing.PrivateKey)
    case rsa(_RSA.Signing.PrivateKey)
    case ed25519(Curve25519.Signing.PrivateKey)

    static func make(_ algorithm: KeyAlgorithm) throws -> SoftwareKey {
        switch algorithm {
        case .p256: .p256(P256.Signing.PrivateKey())
        case .p384: .p384(P384.Signing.PrivateKey())
        case .rsa2048, .rsa3072, .rsa4096: .rsa(try _RSA.Signing.PrivateKey(keySize: .bits2048))
        case .ed25519: .ed25519(Curve25519.Signing.PrivateKey())
        }
    }

    var spki: [UInt8] {
        switch self {
        case .p256(let key): Array(key.publicKey.derRepresentation)
        case .p384(let key): Array(key.publicKey.derRepresentation)
        case .rsa(let key): Array(key.publicKey.derRepresentation)
        // RFC 8410 §4: twelve fixed bytes before the key.
        case .ed25519(let key):
            [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00] + Array(key.publicKey.rawRepresentation)
        }
    }

    /// As the token does: r‖s for ECDSA.
    func sign(_ input: SigningInput) throws -> [UInt8] {
        switch (self, input) {
        case (.p256(let key), .sha256(let digest)): Array(try key.signature(for: digest).rawRepresentation)
        case (.p384(let key), .sha384(let digest)): Array(try key.signature(for: digest).rawRepresentation)
        case (.rsa(let key), .sha256(let digest)): Array(try key.signature(for: digest, padding: .insecurePKCS1v1_5).rawRepresentation)
        case (.ed25519(let key), .message(let message)): Array(try key.signature(for: message))
        default: []
        }
    }

    /// As the token does, from what it gets: a digest of the curve's length.
    func signAsToken(_ task: SigningTask) throws -> [UInt8] {
        switch (self, task.input) {
        case (.p256(let key), _): return Array(try key.signature(for: GivenDigest<SHA256>(task.tokenInput)).rawRepresentation)
        case (.p384(let key), _): return Array(try key.signature(for: GivenDigest<SHA384>(task.tokenInput)).rawRepresentation)
        case (.rsa(let key), .sha256(let digest)):
            return Array(try key.signature(for: digest, padding: task.padding.cryptoPadding).rawRepresentation)
        case (.rsa(let key), .sha384(let digest)):
            return Array(try key.signature(for: digest, padding: task.padding.cryptoPadding).rawRepresentation)
        case (.rsa(let key), .sha512(let digest)):
            return Array(try key.signature(for: digest, padding: task.padding.cryptoPadding).rawRepresentation)
        default: return try sign(task.input)
        }
    }

    func signingKey(
        _ name: String, _ usage: KeyUsage, directory: String? = "https://ca.example/directory", state: SigningKey.State = .active
    ) throws -> SigningKey {
        let pinned = try PinnedKey(
            reference: TokenKeyReference(id: [1], label: name, spki: spki), uri: "pkcs11:object=\(name)", weaknesses: [])
        return SigningKey(
            pinned, name: try KeyName(name), usage: usage, directory: usage == .account ? try directory.map { try ACMEURL($0) } : nil,
            token: "t", created: "2026-01-01T00:00:00Z", state: state)
    }
}

/// A digest given as bytes.
private struct GivenDigest<Hash: HashFunction>: Digest {
    static var byteCount: Int { Hash.Digest.byteCount }
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R { try bytes.withUnsafeBytes(body) }
    func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
    static func == (one: Self, other: Self) -> Bool { one.bytes == other.bytes }
    func makeIterator() -> Array<UInt8>.Iterator { bytes.makeIterator() }
    var description: String { "digest" }
}
