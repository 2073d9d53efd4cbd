import ACME

/// The answer to a `PolicyQuestion`: a value, not a thrown error, so that a refusal can be tested and logged like any
/// other result.
public enum PolicyDecision: Hashable, Sendable {
    /// The grant's name goes into the audit record.
    case allowed(grant: String)
    case refused(Refusal)
}

/// A refusal for the administrator's log. The caller gets `forCaller` and nothing else.
public struct Refusal: Hashable, Sendable, CustomStringConvertible {
    /// Stable codes for log and audit trail.
    public enum Reason: String, CaseIterable, Sendable {
        /// The peer's user is 65534 or none: it could be anybody.
        case unmappedUser = "unmapped-user"
        /// No grant is for this peer.
        case noGrant = "no-grant"
        /// No grant of this peer is for the key.
        case keyNotGranted = "key-not-granted"
        case operationNotGranted = "operation-not-granted"
        case caNotGranted = "ca-not-granted"
        case externalAccountNotGranted = "external-account-not-granted"
        case identifierNotGranted = "identifier-not-granted"
        case wildcardNotGranted = "wildcard-not-granted"
        /// The URL is not on the origin of the CA to which the account key is bound, or the key is bound to none.
        case urlNotOfCA = "url-not-of-ca"
        /// An order or a CSR without identifiers.
        case noIdentifiers = "no-identifiers"
        /// The grant's rate allows no more for now.
        case rateExceeded = "rate-exceeded"
    }

    /// The grant that came closest and what it lacked.
    public struct NearestGrant: Hashable, Sendable {
        public var name: String
        public var lacks: [GrantGap]

        public init(name: String, lacks: [GrantGap]) {
            self.name = name
            self.lacks = lacks
        }
    }

    public var reason: Reason
    /// `nil` if there are no grants, or no grant would help.
    public var nearestGrant: NearestGrant?
    /// The grant that covers the request and whose rate is used up.
    public var grant: String?
    /// What the caller may be told.
    public var forCaller: CallerRefusal

    public init(_ reason: Reason, nearestGrant: NearestGrant? = nil, grant: String? = nil, forCaller: CallerRefusal) {
        self.reason = reason
        self.grant = grant
        self.nearestGrant = nearestGrant
        self.forCaller = forCaller
    }

    /// One line for the administrator's log.
    public var description: String {
        if grant != nil { return "\(reason.rawValue): \(forCaller.message)" }
        guard let nearestGrant, !nearestGrant.lacks.isEmpty else { return reason.rawValue }
        let lacks = nearestGrant.lacks.map(\.description).joined(separator: "; ")
        return "\(reason.rawValue): nearest is grant \"\(nearestGrant.name)\", which lacks \(lacks)"
    }
}

/// What a refused caller learns: nothing about keys, grants and peers of others.
public struct CallerRefusal: Hashable, Sendable {
    /// Stable codes on the wire.
    public enum Code: String, CaseIterable, Sendable {
        /// No such key, or not the caller's: the two look the same.
        case keyNotFound = "key-not-found"
        /// The caller is granted nothing, or not this operation, or not this external account.
        case notPermitted = "not-permitted"
        /// An identifier that the caller's grant does not cover, or no identifier at all.
        case identifierRefused = "identifier-refused"
        /// A CA that the caller's grant does not cover, or a URL that is not the key's CA's.
        case urlRefused = "url-refused"
        /// The grant's rate allows no more for now.
        case rateExceeded = "rate-exceeded"
    }

    public var code: Code
    /// A sentence: `the agent refused to sign for "db.example.org"`.
    public var message: String
    /// What would be covered: `grant "web" covers *.www.example.org only`.
    public var hint: String?
    /// The identifiers concerned, in canonical form.
    public var identifiers: [String]
    /// When the grant's rate allows the request again, Unix seconds; `nil` if it never does.
    public var retryAt: Int64?

    public init(_ code: Code, message: String, hint: String? = nil, identifiers: [String] = [], retryAt: Int64? = nil) {
        self.code = code
        self.retryAt = retryAt
        self.message = message
        self.hint = hint
        self.identifiers = identifiers
    }

    /// The one answer for a key that does not exist and for one that is not the caller's. The daemon gives it for the
    /// first, policy for the second.
    public static func keyNotFound(_ key: KeyName) -> CallerRefusal {
        CallerRefusal(
            .keyNotFound, message: "there is no key \"\(key)\", or it is not granted to you",
            hint: "list the keys that you may use, or ask the administrator for a grant")
    }
}
