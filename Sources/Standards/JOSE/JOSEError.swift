/// Why a key, a signature or a JWS was refused.
public enum JOSEError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The bytes are not a SubjectPublicKeyInfo, or not its DER encoding.
    case invalidSPKI(String)
    /// A well-formed key of an unsupported kind, size or curve.
    case unsupportedKey(String)
    /// The JSON is not a public JWK (RFC 7517).
    case invalidJWK(String)
    /// The JSON is not a flattened JWS (RFC 7515 §7.2.2).
    case invalidJWS(String)
    /// The secret is not an HMAC key for HS256 (RFC 7518 §3.2). The reason never discloses the secret's bytes.
    case invalidHMACKey(String)
    /// The file does not name a key of the agent (`KeyFile`).
    case invalidKeyFile(String)

    public var description: String {
        switch self {
        case .invalidSPKI(let reason): "not a public key in DER: \(reason)"
        case .unsupportedKey(let reason): "unsupported key: \(reason)"
        case .invalidJWK(let reason): "not a public JWK: \(reason)"
        case .invalidJWS(let reason): "not a flattened JWS: \(reason)"
        case .invalidHMACKey(let reason): "not an HMAC key: \(reason)"
        case .invalidKeyFile(let reason): "not a key file: \(reason)"
        }
    }
}
