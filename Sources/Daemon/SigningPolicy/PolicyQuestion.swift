import ACME

/// A request as policy sees it: facts only, all collected beforehand.
public struct PolicyQuestion: Hashable, Sendable {
    public var peer: Peer
    public var operation: Operation
    /// Names of every key that the request uses: the account key; for `finalize` also the certificate key; for
    /// `key-change` both. Empty for `list-keys` (ask `Policy.mayList` for each key) , `read-audit` and `read-metrics`.
    public var keys: [KeyName]
    /// The CA to which the account key is bound (Docs/policy.md). For `create-key` and `adopt-key` of an account key
    /// the requested CA. `nil` for certificate keys.
    public var binding: CABinding?
    /// The URL to be signed.
    public var url: ACMEURL?
    /// The identifiers of the order, the CSR or the certificate.
    public var identifiers: [Identifier]
    /// The external account credential that a registration names.
    public var externalAccount: String?

    public init(
        peer: Peer, operation: Operation, keys: [KeyName] = [], binding: CABinding? = nil, url: ACMEURL? = nil,
        identifiers: [Identifier] = [], externalAccount: String? = nil
    ) {
        self.peer = peer
        self.operation = operation
        self.keys = keys
        self.binding = binding
        self.url = url
        self.identifiers = identifiers
        self.externalAccount = externalAccount
    }

    /// The CA that the grant must be for: the key's, or the URL's if a certificate key signs its own revocation (RFC
    /// 8555 §7.6).
    var origin: Origin? { binding?.origin ?? url?.origin }
}

/// The origin of the CA directory to which an account key was bound when it was made.
public struct CABinding: Hashable, Sendable {
    public var origin: Origin

    public init(origin: Origin) { self.origin = origin }

    /// Whether the URL is this CA's.
    public func covers(_ url: ACMEURL) -> Bool { url.origin == origin }
}
