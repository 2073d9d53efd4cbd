import ACME
import CertificateStore

/// How an earlier run ended that the next one goes on from.
public enum EarlierEnd: Sendable, Hashable {
    /// It was cut off, before there was a certificate.
    case interruption
    /// Its order failed; somebody has asked for it again.
    case failure
    /// The certificate was installed; what is left is to take it into use.
    case installation
}

/// What happens in an issuance, as it happens; for people and machines to follow.
public enum IssuanceEvent: Sendable {
    /// The work goes on where an earlier run came to its end.
    case resumed(CertificateName, order: ACMEURL?, after: EarlierEnd = .interruption)
    case keyCreated(ManagedKey)
    /// A key that exists is used.
    case keyUsed(ManagedKey)
    case orderCreated(ACMEURL, identifiers: [Identifier])
    case authorizationPending(Identifier)
    /// The CA has a proof from before.
    case authorizationReused(Identifier)
    case challengePresented(Identifier, ChallengeType, target: String)
    /// The CA was told to look.
    case challengeAnswered(Identifier, ChallengeType)
    case validated(Identifier)
    case failed(Identifier, Problem?)
    /// The CA could not see the answer to a challenge, and goes on looking (RFC 8555 §8.2).
    case challengeProblem(Identifier, Problem)
    /// What was presented could not be taken away; a person has to.
    case cleanUpFailed(Identifier, target: String, reason: String)
    case finalized(order: ACMEURL)
    case downloaded(ACMEURL)
    case installed(StoredCertificate)
    case deployed(CertificateName)
    case keyRetired(name: KeyName)
    case keyDeleted(name: KeyName)
    /// What the user asked for holds, though something beside it went wrong.
    case warning(String)
    /// Nothing is done for that long.
    case waiting(seconds: Double, reason: String)
    /// The CA is asked for its directory or for a nonce.
    case asking(Origin)
    /// The CA refused a nonce: the same request is signed again with another (RFC 8555 §6.5).
    case nonceRefused(url: ACMEURL)
    /// A key signed a request.
    case signed(ACMERequest, url: ACMEURL, key: KeyName)
    case accountRegistered(url: ACMEURL, key: KeyName, isNew: Bool)
    case revoked(CertificateName?, serial: String)

    /// Stable name for machines.
    public var name: String {
        switch self {
        case .resumed: "resumed"
        case .keyCreated: "key-created"
        case .keyUsed: "key-used"
        case .orderCreated: "order-created"
        case .authorizationPending: "authorization-pending"
        case .authorizationReused: "authorization-reused"
        case .challengePresented: "challenge-presented"
        case .challengeAnswered: "challenge-answered"
        case .validated: "validated"
        case .failed: "failed"
        case .challengeProblem: "challenge-problem"
        case .cleanUpFailed: "clean-up-failed"
        case .finalized: "finalized"
        case .downloaded: "downloaded"
        case .installed: "installed"
        case .deployed: "deployed"
        case .keyRetired: "key-retired"
        case .keyDeleted: "key-deleted"
        case .warning: "warning"
        case .waiting: "waiting"
        case .asking: "asking"
        case .nonceRefused: "nonce-refused"
        case .signed: "signed"
        case .accountRegistered: "account-registered"
        case .revoked: "revoked"
        }
    }
}

/// Is told what happens; called from any task, in order within one identifier.
public typealias IssuanceObserver = @Sendable (IssuanceEvent) -> Void

extension ACMERequest {
    /// What a signature under this request says, in plain words: it follows "the key … signed".
    public var meaning: String {
        switch self {
        case .newAccount(let request) where request.onlyReturnExisting: "the question which account it has"
        case .newAccount(let request) where request.externalAccount != nil: "a new account, bound to an external one"
        case .newAccount: "a new account"
        case .updateAccount: "a change of the account"
        case .deactivateAccount: "the end of the account"
        case .keyChange(let newKey): "the account's change to key \"\(newKey)\""
        case .newOrder(let order): "an order for \(Self.list(order.identifiers))"
        case .postAsGet: "a question"
        case .respondToChallenge: "that a challenge is in place"
        case .deactivateAuthorization: "the end of an authorization"
        case .finalize(let request): "a certificate request by key \"\(request.key)\" for \(Self.list(request.identifiers))"
        case .revokeCertificate(let request): "a revocation\(request.reason.map { " (\($0.name))" } ?? "")"
        }
    }

    private static func list(_ identifiers: [Identifier]) -> String {
        let shown = identifiers.prefix(5).map(\.value).joined(separator: ", ")
        return identifiers.count > 5 ? "\(shown) and \(identifiers.count - 5) more" : shown
    }
}
