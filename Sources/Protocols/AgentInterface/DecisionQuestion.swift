import ACME

/// A request that policy is asked about without making it: the parameters of `ExplainDecision`.
public struct DecisionQuestion: Hashable, Sendable {
    /// Somebody else than the caller, by the numbers that the kernel would report.
    public struct Subject: Hashable, Sendable {
        public var user: UInt32
        /// Primary and supplementary groups.
        public var groups: [UInt32]

        public init(user: UInt32, groups: [UInt32]) {
            self.user = user
            self.groups = groups
        }
    }

    public var operation: Operation
    /// As many as `Operation.keyRoles` has; the account's key first.
    public var keys: [KeyName]
    /// A URL of the CA to which the request is sent, such as its directory; for `create-key` and `adopt-key` of an
    /// account key the directory to which it is bound.
    public var url: ACMEURL?
    public var identifiers: [Identifier]
    /// The external account credential that a registration names (RFC 8555 §7.3.4).
    public var externalAccount: String?
    /// `nil` for the caller.
    public var subject: Subject?

    public init(
        _ operation: Operation, keys: [KeyName] = [], url: ACMEURL? = nil, identifiers: [Identifier] = [],
        externalAccount: String? = nil, subject: Subject? = nil
    ) {
        self.operation = operation
        self.keys = keys
        self.url = url
        self.identifiers = identifiers
        self.externalAccount = externalAccount
        self.subject = subject
    }
}

/// What a key does in a request.
public enum KeyRole: String, Sendable {
    /// Signs ACME requests for its account.
    case account
    /// The certificate's key.
    case certificate
    /// Either of the two.
    case any
    /// The account key that replaces another (RFC 8555 §7.3.5).
    case newAccount = "new-account"
}

extension Operation {
    /// The keys that a request of this kind names.
    public var keyRoles: [KeyRole] {
        switch self {
        case .newAccount, .updateAccount, .deactivateAccount, .newOrder, .postAsGet, .respondToChallenge, .deactivateAuthorization:
            [.account]
        case .keyChange: [.account, .newAccount]
        case .finalize: [.account, .certificate]
        case .signRequest, .signHandshake, .signClientHandshake, .signServerKeyExchange: [.certificate]
        case .revokeCertificate, .createKey, .adoptKey, .retireKey, .deleteKey, .listKeys: [.any]
        case .readAudit, .readMetrics: []
        }
    }

    /// Whether a question about it may name a CA: a URL is signed, or an account key is bound to the CA.
    public var mayNameCA: Bool { isForCA || self == .createKey || self == .adoptKey }
}
