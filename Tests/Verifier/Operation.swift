/// The operations that a grant may name (Docs/policy.md, "Operations").
enum Operation: String, CaseIterable {
    case newAccount = "new-account"
    case updateAccount = "update-account"
    case deactivateAccount = "deactivate-account"
    case keyChange = "key-change"
    case newOrder = "new-order"
    case postAsGet = "post-as-get"
    case respondToChallenge = "respond-to-challenge"
    case deactivateAuthorization = "deactivate-authorization"
    case finalize
    case revokeCertificate = "revoke-certificate"
    case signCertificateRequest = "sign-certificate-request"
    case signHandshake = "sign-handshake"
    case signClientHandshake = "sign-client-handshake"
    case signServerKeyExchange = "sign-server-key-exchange"
    case createKey = "create-key"
    case adoptKey = "adopt-key"
    case retireKey = "retire-key"
    case deleteKey = "delete-key"
    case listKeys = "list-keys"
    case readAudit = "read-audit"
    case readMetrics = "read-metrics"

    static let bundles: [String: [Operation]] = [
        "issue": [.newOrder, .postAsGet, .respondToChallenge, .finalize, .listKeys],
        "account": [.newAccount, .updateAccount, .postAsGet, .listKeys],
        "administer": [
            .createKey, .adoptKey, .retireKey, .deleteKey, .listKeys, .newAccount, .updateAccount, .deactivateAccount, .keyChange,
            .revokeCertificate, .deactivateAuthorization, .postAsGet,
        ],
    ]
}
