/// A public key, in the form that all its encodings are made from.
///
/// The cases check nothing; the initialisers of JOSE, `init(spki:)` and `init(jwk:)`, check what they read.
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

    /// Size of an RSA modulus in bits; `nil` for any other key.
    public var rsaBits: Int? {
        guard case .rsa(let modulus, _) = self else { return nil }
        return PublicKey.bits(modulus)
    }

    /// Bits of a big-endian number without its leading zeros.
    package static func bits(_ number: some Collection<UInt8>) -> Int {
        let significant = number.drop { $0 == 0 }
        guard let first = significant.first else { return 0 }
        return significant.count * 8 - first.leadingZeroBitCount
    }
}
