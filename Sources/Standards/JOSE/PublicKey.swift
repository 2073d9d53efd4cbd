import Crypto

/// A public key, in the form that all its encodings are made from.
///
/// `init(spki:)` and `init(jwk:)` check what they read; the cases check nothing.
public enum PublicKey: Hashable, Sendable {
    /// Coordinates big-endian, `curve.coordinateSize` bytes each.
    case ec(curve: ECCurve, x: [UInt8], y: [UInt8])
    /// Both big-endian without leading zeros.
    case rsa(modulus: [UInt8], exponent: [UInt8])
    /// 32 bytes (RFC 8032 §5.1.5).
    case ed25519([UInt8])

    /// The kind of key, as made in a token; `nil` for RSA of an unusual size.
    public var algorithm: KeyAlgorithm? {
        switch self {
        case .ec(let curve, _, _): return curve.keyAlgorithm
        case .rsa:
            let bits = rsaBits
            return KeyAlgorithm.allCases.first { $0.rsaBits == bits }
        case .ed25519: return .ed25519
        }
    }

    /// The one JWS algorithm that this key signs with.
    public var jwsAlgorithm: JWSAlgorithm {
        switch self {
        case .ec(.p256, _, _): .ES256
        case .ec(.p384, _, _): .ES384
        case .rsa: .RS256
        case .ed25519: .EdDSA
        }
    }

    /// SHA-256 of the SPKI; a key is pinned by it.
    public var fingerprint: [UInt8] { Array(SHA256.hash(data: spki)) }

    /// Size of an RSA modulus in bits; `nil` for any other key.
    public var rsaBits: Int? {
        guard case .rsa(let modulus, _) = self else { return nil }
        return PublicKey.bits(modulus)
    }

    /// Bits of a big-endian number without its leading zeros.
    static func bits(_ number: some Collection<UInt8>) -> Int {
        let significant = number.drop { $0 == 0 }
        guard let first = significant.first else { return 0 }
        return significant.count * 8 - first.leadingZeroBitCount
    }
}

extension PublicKey {
    /// A smaller modulus could be factored; tokens, CAs and peers do not support larger ones.
    static let rsaBitsRange = 2048...4096

    /// An exponent of 64 bits; real ones have 17.
    static let maximumExponentSize = 8

    static let ed25519Size = 32

    /// Checks that apply to every key, whatever its source; returns what is wrong.
    var problem: JOSEError? {
        switch self {
        case .ec(let curve, let x, let y):
            guard x.count == curve.coordinateSize, y.count == curve.coordinateSize else {
                return .unsupportedKey("a coordinate of \(curve.rawValue) has \(curve.coordinateSize) bytes")
            }
            guard curve.contains(uncompressedPoint: [0x04] + x + y) else {
                return .unsupportedKey("the point is not on \(curve.rawValue)")
            }
        case .rsa(let modulus, let exponent):
            guard let top = modulus.first, top != 0, let topOfExponent = exponent.first, topOfExponent != 0 else {
                return .unsupportedKey("an RSA number is empty or has leading zeros")
            }
            guard PublicKey.rsaBitsRange.contains(PublicKey.bits(modulus)) else {
                let range = PublicKey.rsaBitsRange
                return .unsupportedKey("RSA of \(PublicKey.bits(modulus)) bits, not \(range.lowerBound) to \(range.upperBound)")
            }
            guard let last = modulus.last, last & 1 == 1 else { return .unsupportedKey("the RSA modulus is even") }
            guard exponent.count <= PublicKey.maximumExponentSize, let low = exponent.last, low & 1 == 1, exponent != [1] else {
                return .unsupportedKey("the RSA exponent is not an odd number from 3 to 2^64")
            }
        case .ed25519(let key):
            guard key.count == PublicKey.ed25519Size else { return .unsupportedKey("an Ed25519 key has 32 bytes") }
        }
        return nil
    }
}
