/// What a caller may ask of the agent, and what a grant's `operations` lists. An operation that no grant names is
/// refused.
public enum Operation: String, CaseIterable, Hashable, Sendable {
    /// RFC 8555 §7.3, including external account binding and `onlyReturnExisting`
    case newAccount = "new-account"
    /// RFC 8555 §7.3.2 and §7.3.3: contacts and terms of service
    case updateAccount = "update-account"
    /// RFC 8555 §7.3.6
    case deactivateAccount = "deactivate-account"
    /// RFC 8555 §7.3.5
    case keyChange = "key-change"
    /// RFC 8555 §7.4
    case newOrder = "new-order"
    /// RFC 8555 §6.3
    case postAsGet = "post-as-get"
    /// RFC 8555 §7.5.1
    case respondToChallenge = "respond-to-challenge"
    /// RFC 8555 §7.5.2
    case deactivateAuthorization = "deactivate-authorization"
    /// RFC 8555 §7.4
    case finalize
    /// RFC 8555 §7.6
    case revokeCertificate = "revoke-certificate"
    case createKey = "create-key"
    case adoptKey = "adopt-key"
    case retireKey = "retire-key"
    case deleteKey = "delete-key"
    case listKeys = "list-keys"
    /// A PKCS#10 request outside an order
    case signRequest = "sign-certificate-request"
    /// TLS 1.3 handshakes, as the server
    case signHandshake = "sign-handshake"
    /// TLS 1.3 handshakes, as a client
    case signClientHandshake = "sign-client-handshake"
    /// TLS 1.2 handshakes, as the server
    case signServerKeyExchange = "sign-server-key-exchange"
    case readAudit = "read-audit"
    case readMetrics = "read-metrics"

    /// Whether it is about keys, so that a grant without keys does not give it.
    public var isAboutKeys: Bool { self != .readAudit && self != .readMetrics }
}

extension Operation {
    /// Whether the request must name what a certificate is for; refused if it names nothing.
    public var needsIdentifiers: Bool { self == .newOrder || self == .finalize || self == .signRequest }

    /// Whether a JWS for a CA is made, so that a URL is signed (RFC 8555 §6.4).
    public var isForCA: Bool {
        switch self {
        case .newAccount, .updateAccount, .deactivateAccount, .keyChange, .newOrder, .postAsGet, .respondToChallenge,
            .deactivateAuthorization,
            .finalize, .revokeCertificate:
            true
        case .createKey, .adoptKey, .retireKey, .deleteKey, .listKeys, .signRequest, .signHandshake, .signClientHandshake,
            .signServerKeyExchange, .readAudit, .readMetrics:
            false
        }
    }
}
