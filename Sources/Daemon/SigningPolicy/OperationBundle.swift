import ACME

/// Names in a grant's `operations` that mean several. Operations that end a certificate or an account are only in
/// `administer`, or named one by one. So is `deactivate-authorization`, whose signed payload ends an account if it is
/// sent to the account's URL. Handshakes, CSRs outside an order, the audit trail and the metrics are always named one by one. No
/// name means everything.
public enum OperationBundle: String, CaseIterable, Sendable {
    /// Certificates with an existing account and existing certificate keys: `new-order`, `post-as-get`,
    /// `respond-to-challenge`, `finalize`, `list-keys`.
    case issue
    /// Registering and keeping an account: `new-account`, `update-account`, `post-as-get`, `list-keys`.
    case account
    /// The life of keys, accounts and certificates: `create-key`, `adopt-key`, `retire-key`, `delete-key`, `list-keys`,
    /// `new-account`, `update-account`, `deactivate-account`, `key-change`, `revoke-certificate`,
    /// `deactivate-authorization`, `post-as-get`.
    case administer

    public var operations: Set<Operation> {
        switch self {
        case .issue: [.newOrder, .postAsGet, .respondToChallenge, .finalize, .listKeys]
        case .account: [.newAccount, .updateAccount, .postAsGet, .listKeys]
        case .administer:
            [
                .createKey, .adoptKey, .retireKey, .deleteKey, .listKeys, .newAccount, .updateAccount, .deactivateAccount, .keyChange,
                .revokeCertificate, .deactivateAuthorization, .postAsGet,
            ]
        }
    }

    /// Reads a grant's list of operations and bundles.
    /// - Throws: `PatternError` for a name that is neither.
    public static func operations(named names: [String]) throws(PatternError) -> Set<Operation> {
        var result: Set<Operation> = []
        for name in names {
            if let bundle = OperationBundle(rawValue: name) {
                result.formUnion(bundle.operations)
            } else if let operation = Operation(rawValue: name) {
                result.insert(operation)
            } else {
                let known = OperationBundle.allCases.map(\.rawValue) + Operation.allCases.map(\.rawValue)
                throw PatternError(name, "no such operation; there are \(known.joined(separator: ", "))")
            }
        }
        return result
    }
}
