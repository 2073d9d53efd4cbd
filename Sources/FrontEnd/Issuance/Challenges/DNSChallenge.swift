import ACME

/// The challenges that a TXT record answers which is new in each order.
public enum DNSChallenge: Hashable, Sendable {
    /// RFC 8555 §8.4: the record's name is the same for all accounts.
    case dns01
    /// draft-ietf-acme-dns-account-label: each account has its own record, so that several may prove a name at the same
    /// time, and delegate it to different places.
    case dnsAccount01(AccountLabel)

    public var type: ChallengeType {
        switch self {
        case .dns01: .dns01
        case .dnsAccount01: .dnsAccount01
        }
    }

    /// The record's name; a wildcard is validated at the name after its `*.` (RFC 8555 §7.1.4).
    public func recordName(_ identifier: Identifier) -> String {
        let name = "_acme-challenge." + Self.domain(identifier)
        switch self {
        case .dns01: return name
        case .dnsAccount01(let label): return "\(label).\(name)"
        }
    }

    /// The name without `*.`.
    static func domain(_ identifier: Identifier) -> String {
        if case .dns(let name) = identifier { return name.base }
        return identifier.value
    }
}
