/// Why a key, a signature or a JWS was not taken.
public enum JOSEError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The bytes are no SubjectPublicKeyInfo in DER, or one that says the same in another way than DER does.
    case invalidSPKI(String)
    /// A well-formed key of a kind, size or curve that is not used here.
    case unsupportedKey(String)
    /// The JSON is no public JWK (RFC 7517).
    case invalidJWK(String)
    /// The JSON is no flattened JWS (RFC 7515 §7.2.2).
    case invalidJWS(String)
    /// The secret is no HMAC key for HS256 (RFC 7518 §3.2). Never says anything about the secret's bytes.
    case invalidHMACKey(String)

    public var description: String {
        switch self {
        case .invalidSPKI(let reason): "not a public key in DER: \(reason)"
        case .unsupportedKey(let reason): "unsupported key: \(reason)"
        case .invalidJWK(let reason): "not a public JWK: \(reason)"
        case .invalidJWS(let reason): "not a flattened JWS: \(reason)"
        case .invalidHMACKey(let reason): "not an HMAC key: \(reason)"
        }
    }
}
