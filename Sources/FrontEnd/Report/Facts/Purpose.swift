import ACME

/// What a signature is for, in as many groups as a chart can show.
public enum Purpose: String, CaseIterable, Sendable {
    case handshakes
    case fetches
    case orders
    case accounts
    case requests
    case revocations

    /// - Parameter operation: as in a record of the trail; `nil` if it makes no signature or is not known.
    public init?(operation: String?) {
        guard let operation, let known = Operation(rawValue: operation) else { return nil }
        switch known {
        case .signHandshake, .signClientHandshake, .signServerKeyExchange: self = .handshakes
        case .postAsGet: self = .fetches
        case .newOrder, .respondToChallenge, .deactivateAuthorization, .finalize: self = .orders
        case .newAccount, .updateAccount, .deactivateAccount, .keyChange: self = .accounts
        case .signRequest: self = .requests
        case .revokeCertificate: self = .revocations
        case .createKey, .adoptKey, .retireKey, .deleteKey, .listKeys, .readAudit, .readMetrics: return nil
        }
    }

    var title: String {
        switch self {
        case .handshakes: "TLS handshakes"
        case .fetches: "fetches (POST-as-GET)"
        case .orders: "orders and challenges"
        case .accounts: "accounts"
        case .requests: "certificate requests"
        case .revocations: "revocations"
        }
    }
}
