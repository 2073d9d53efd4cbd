/// The challenge types known here (RFC 8555 §8.3 and §8.4, RFC 8737, draft-ietf-acme-dns-account-label,
/// draft-ietf-acme-dns-persist).
public enum ChallengeType: String, CaseIterable, Hashable, Sendable {
    case http01 = "http-01"
    case dns01 = "dns-01"
    case dnsPersist01 = "dns-persist-01"
    case tlsALPN01 = "tls-alpn-01"
    case dnsAccount01 = "dns-account-01"
}
