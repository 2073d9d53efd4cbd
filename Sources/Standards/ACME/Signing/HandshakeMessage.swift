/// A TLS message whose content the agent signs. Each is an operation of its own: a grant for one is none for another.
public enum HandshakeMessage: String, CaseIterable, Hashable, Sendable {
    /// The server's CertificateVerify of TLS 1.3 (RFC 8446 §4.4.3).
    case serverCertificateVerify
    /// The client's CertificateVerify of TLS 1.3 (RFC 8446 §4.4.3).
    case clientCertificateVerify
    /// The server's ServerKeyExchange of TLS 1.2 with elliptic curves (RFC 8422 §5.4).
    case serverKeyExchange

    public var operation: Operation {
        switch self {
        case .serverCertificateVerify: .signHandshake
        case .clientCertificateVerify: .signClientHandshake
        case .serverKeyExchange: .signServerKeyExchange
        }
    }
}
