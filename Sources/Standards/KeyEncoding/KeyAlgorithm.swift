/// The kinds of key that the agent makes in a token. Raw values are used in the configuration, the protocol and on the
/// command line.
public enum KeyAlgorithm: String, CaseIterable, Hashable, Sendable {
    case p256 = "P-256"
    case p384 = "P-384"
    case rsa2048 = "RSA-2048"
    case rsa3072 = "RSA-3072"
    case rsa4096 = "RSA-4096"
    case ed25519 = "Ed25519"

    /// The one JWS algorithm that a key of this kind signs with; it is never taken from a message (RFC 8725 §3.1).
    public var jwsAlgorithm: JWSAlgorithm {
        switch self {
        case .p256: .ES256
        case .p384: .ES384
        case .rsa2048, .rsa3072, .rsa4096: .RS256
        case .ed25519: .EdDSA
        }
    }

    /// Whether it is RSA, of any size.
    public var isRSA: Bool { rsaBits != nil }

    /// The modulus size in bits; `nil` if the key is not RSA.
    public var rsaBits: Int? {
        switch self {
        case .rsa2048: 2048
        case .rsa3072: 3072
        case .rsa4096: 4096
        case .p256, .p384, .ed25519: nil
        }
    }
}
