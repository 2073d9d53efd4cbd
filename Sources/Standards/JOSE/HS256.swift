import Crypto

/// HMAC with SHA-256 (RFC 7518 §3.2), for the inner JWS of an external account binding alone.
public enum HS256 {
    /// The 32 bytes of the tag.
    public static func sign(_ input: [UInt8], key: HMACKey) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: input, using: key.secret))
    }
}
