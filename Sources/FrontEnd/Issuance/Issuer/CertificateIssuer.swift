import ACME

/// A CA, in terms that are not specific to ACME: it accepts an order, requires proof of control of the names, issues a
/// certificate for a request that the agent signs, and revokes. `ACMEIssuer` is the first implementation; a CA's own
/// REST interface can be another.
///
/// The flow above it keeps the journal, polls and solves challenges. An implementation
/// - MUST NOT repeat a request that changes something at the CA unless it knows that the first one had no effect;
/// - MUST pass on the CA's reason for a failure, and when the CA wants to be asked again;
/// - SHOULD send one request to the CA for each call.
public protocol CertificateIssuer: Sendable {
    /// Identifies the CA in store and journal.
    var directory: ACMEURL { get }
    /// The name of the key that authorises requests.
    var accountKey: KeyName { get }
    var account: ACMEURL? { get }
    /// How long the CA took for its last answer, if known.
    var roundTrip: Duration? { get }

    /// Places an order. The answer has the order's URL.
    /// - Throws: `IssuanceError.profileNotOffered`, before anything is signed, if the CA does not list the order's
    ///   profile.
    func place(_ order: NewOrder) async throws -> IssuerOrder
    /// The order's current state.
    /// - Throws: `IssuanceError.orderGone` if the CA does not know it, or no longer does.
    func order(at url: ACMEURL) async throws -> IssuerOrder
    /// What the CA requires as proof of control of one name, and whether it has validated it.
    func authorization(at url: ACMEURL) async throws -> IssuerAuthorization
    /// Gives an authorization up that is no longer wanted (RFC 8555 §7.5.2).
    func deactivate(authorization url: ACMEURL) async throws
    /// The answer to present for a challenge (RFC 8555 §8.1); `nil` if its type has no key authorization.
    func keyAuthorization(of challenge: Challenge) -> KeyAuthorization?
    /// The record that a challenge of dns-persist-01 needs; `nil` if it has another type, or the CA's offer is malformed.
    func persistRecord(for challenge: Challenge) async throws -> DNSPersistRecord.Expectation?
    /// Tells the CA that a challenge is ready.
    /// - Returns: the CA's answer; `nil` if it cannot be read, which changes nothing.
    func validate(_ challenge: Challenge) async throws -> Challenge?
    /// Has the certificate request signed and sends it. If the order is not ready after all (RFC 8555 §7.4,
    /// orderNotReady), returns the order as it is.
    func finalize(_ order: IssuerOrder, _ request: CertificateRequest) async throws -> IssuerOrder
    /// Downloads a chain without any checks.
    /// - Parameter patience: the time limit, including the waits that the CA asks for; `nil` for any request's limit.
    func chain(at url: ACMEURL, within patience: Duration?) async throws -> IssuerChain
    /// Revokes a certificate.
    /// - Parameter certificateSigner: signs with the certificate's own key; `nil` for the account's.
    func revoke(_ revocation: Revocation, signedBy certificateSigner: (any AccountSigner)?) async throws

    /// Announces how many names an order has, before concurrent work on them starts.
    func prepare(forIdentifiers count: Int)
}

/// An order at a CA.
public struct IssuerOrder: Sendable {
    public enum State: Sendable, Hashable {
        /// Names must be validated.
        case pending
        /// All are validated; finalize is the next step.
        case ready
        /// The CA is issuing the certificate.
        case processing
        /// The certificate is available.
        case issued(certificate: ACMEURL)
        case failed
    }

    public var url: ACMEURL
    public var state: State
    /// `nil` if the CA does not say; see `following`.
    public var identifiers: [Identifier]?
    /// Empty if the CA does not say.
    public var authorizations: [ACMEURL]
    /// The finalize URL; `nil` if the CA does not say.
    public var finalize: ACMEURL?
    /// Why it failed, if the CA says so.
    public var problem: Problem?
    /// Seconds after which the CA wants to be asked again.
    public var retryAfter: Int64?
    /// The profile that the CA accepted, if it says so.
    public var profile: String?

    public init(
        url: ACMEURL, state: State, identifiers: [Identifier]?, authorizations: [ACMEURL] = [], finalize: ACMEURL? = nil,
        problem: Problem? = nil, retryAfter: Int64? = nil, profile: String? = nil
    ) {
        self.profile = profile
        self.url = url
        self.state = state
        self.identifiers = identifiers
        self.authorizations = authorizations
        self.finalize = finalize
        self.problem = problem
        self.retryAfter = retryAfter
    }
}

/// One name of an order: validated, or how to prove control of it.
public struct IssuerAuthorization: Sendable {
    public enum State: Sendable, Hashable { case pending, proven, failed }

    public var url: ACMEURL
    /// With a leading `*.` for a wildcard.
    public var identifier: Identifier
    public var state: State
    public var challenges: [Challenge]
    /// Why it failed.
    public var problem: Problem?

    public init(url: ACMEURL, identifier: Identifier, state: State, challenges: [Challenge], problem: Problem? = nil) {
        self.url = url
        self.identifier = identifier
        self.state = state
        self.challenges = challenges
        self.problem = problem
    }

    /// Whether it or one of its challenges failed: some CAs then leave the authorization pending.
    var hasFailed: Bool { state == .failed || (state == .pending && challenges.contains { $0.status == .invalid }) }
}

/// A chain as received.
public struct IssuerChain: Sendable {
    /// PEM, as received.
    public var pem: [UInt8]
    public var url: ACMEURL
    /// Other chains for the same certificate (RFC 8555 §7.4.2).
    public var alternates: [ACMEURL]

    public init(pem: [UInt8], url: ACMEURL, alternates: [ACMEURL] = []) {
        self.pem = pem
        self.url = url
        self.alternates = alternates
    }
}
