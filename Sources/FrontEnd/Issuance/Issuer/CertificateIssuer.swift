import ACME

/// A CA, in terms that are not ACME's alone: it takes an order, wants control of the names proven, makes a certificate of a request
/// that the agent signs, and revokes. `ACMEIssuer` is the first implementation; a CA's own REST interface can be another.
///
/// The flow above it keeps the journal, polls and solves challenges. An implementation
/// - MUST NOT repeat a request that changes something at the CA where it cannot know that the first had no effect;
/// - MUST hand on what the CA says of a failure, and when the CA wants to be asked again;
/// - SHOULD keep to one request to the CA for each call.
public protocol CertificateIssuer: Sendable {
    /// What identifies the CA in store and journal.
    var directory: ACMEURL { get }
    /// The name of the key by which requests are authorised.
    var accountKey: KeyName { get }
    var account: ACMEURL? { get }
    /// How long the CA took for its last answer, where that is known: how near and how busy it is.
    var roundTrip: Duration? { get }

    /// Places an order. The answer has the URL that everything else goes by.
    /// - Throws: `IssuanceError.profileNotOffered`, before anything is signed, where the CA does not list the order's profile.
    func place(_ order: NewOrder) async throws -> IssuerOrder
    /// The order as it is now.
    /// - Throws: `IssuanceError.orderGone` where the CA does not know it (any more).
    func order(at url: ACMEURL) async throws -> IssuerOrder
    /// What the CA wants proven for one name, and whether it is.
    func authorization(at url: ACMEURL) async throws -> IssuerAuthorization
    /// What is to be shown for a challenge (RFC 8555 §8.1); `nil` where it is of a type that has no key authorization.
    func keyAuthorization(of challenge: Challenge) -> KeyAuthorization?
    /// Tells the CA to look at a challenge that is in place.
    /// - Returns: the challenge as the CA answered it; `nil` where the answer cannot be read, which changes nothing.
    func validate(_ challenge: Challenge) async throws -> Challenge?
    /// Has the certificate request signed and sends it. Where the order is not ready after all (RFC 8555 §7.4, orderNotReady) the
    /// answer is the order as it is.
    func finalize(_ order: IssuerOrder, _ request: CertificateRequest) async throws -> IssuerOrder
    /// Downloads a chain, not checked in any way.
    /// - Parameter patience: how long that may take, waits that the CA asks for included; `nil` for as long as any
    ///   request may.
    func chain(at url: ACMEURL, within patience: Duration?) async throws -> IssuerChain
    /// Revokes a certificate.
    /// - Parameter certificateSigner: signs by the certificate's own key; `nil` for the account's.
    func revoke(_ revocation: Revocation, signedBy certificateSigner: (any AccountSigner)?) async throws

    /// Told how many names an order has, before work on them begins side by side.
    func prepare(forIdentifiers count: Int)
}

/// An order at a CA.
public struct IssuerOrder: Sendable {
    public enum State: Sendable, Hashable {
        /// Names are to be proven.
        case pending
        /// All proven; finalize is the next step.
        case ready
        /// The CA makes the certificate.
        case processing
        /// The certificate is there.
        case issued(certificate: ACMEURL)
        case failed
    }

    public var url: ACMEURL
    public var state: State
    /// `nil` where the CA does not say; see `following`.
    public var identifiers: [Identifier]?
    /// Empty where the CA does not say.
    public var authorizations: [ACMEURL]
    /// Where finalize goes; `nil` where the CA does not say.
    public var finalize: ACMEURL?
    /// Why it failed, where the CA says so.
    public var problem: Problem?
    /// Seconds after which the CA wants to be asked again.
    public var retryAfter: Int64?
    /// As the CA took it, where it says so.
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

/// One name of an order: proven, or how to prove it.
public struct IssuerAuthorization: Sendable {
    public enum State: Sendable, Hashable { case pending, proven, failed }

    public var url: ACMEURL
    /// With `*.` in front for a wildcard.
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

    /// Whether it or a challenge of it failed: some CAs leave the authorization pending then.
    var hasFailed: Bool { state == .failed || (state == .pending && challenges.contains { $0.status == .invalid }) }
}

/// A chain as it came.
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
