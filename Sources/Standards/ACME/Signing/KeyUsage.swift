/// What a key may be used for: one or the other, never both (RFC 8555 §11.1).
public enum KeyUsage: String, Sendable, CaseIterable {
    /// Signs ACME requests for one CA.
    case account
    /// Signs certificate signing requests, TLS handshakes and the revocation of its certificate.
    case certificate
}
