import ACME
import CertificateStore

/// How the run that is resumed ended.
public enum EarlierEnd: Sendable, Hashable {
    /// It was interrupted before there was a certificate.
    case interruption
    /// Its order failed and was requested again.
    case failure
    /// The certificate was installed but not yet deployed.
    case installation
}

/// The events of an issuance, for people and machines.
public enum IssuanceEvent: Sendable {
    /// An earlier run is resumed.
    case resumed(CertificateName, order: ACMEURL?, after: EarlierEnd = .interruption)
    case keyCreated(ManagedKey)
    /// An existing key is used.
    case keyUsed(ManagedKey)
    case orderCreated(ACMEURL, identifiers: [Identifier])
    case authorizationPending(Identifier)
    /// The CA already has a valid authorization for the name.
    case authorizationReused(Identifier)
    case challengePresented(Identifier, ChallengeType, target: String)
    /// The CA was told that the challenge is ready.
    case challengeAnswered(Identifier, ChallengeType)
    case validated(Identifier)
    case failed(Identifier, Problem?)
    /// The CA could not validate a challenge and keeps trying (RFC 8555 §8.2).
    case challengeProblem(Identifier, Problem)
    /// A presented answer could not be removed; a person has to do it.
    case cleanUpFailed(Identifier, target: String, reason: String)
    case finalized(order: ACMEURL)
    case downloaded(ACMEURL)
    case installed(StoredCertificate)
    case deployed(CertificateName)
    /// A replaced key stays active until servers have loaded the new certificate. `due` is in Unix seconds.
    case keyOutgoing(name: KeyName, fate: OutgoingKey.Fate, due: Int64)
    case keyRetired(name: KeyName)
    case keyDeleted(name: KeyName)
    /// The command does what was asked, but something else went wrong.
    case warning(String)
    /// The program waits for that long.
    case waiting(seconds: Double, reason: String)
    /// The CA is asked for its directory or for a nonce.
    case asking(Origin)
    /// The CA refused a nonce: the request is signed again with another (RFC 8555 §6.5).
    case nonceRefused(url: ACMEURL)
    /// A key signed a request.
    case signed(ACMERequest, url: ACMEURL, key: KeyName)
    case accountRegistered(url: ACMEURL, key: KeyName, isNew: Bool)
    case revoked(CertificateName?, serial: String)

    /// A stable name for machines.
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
        case .keyOutgoing: "key-outgoing"
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

/// Receives the events; called from any task, in order for each identifier.
public typealias IssuanceObserver = @Sendable (IssuanceEvent) -> Void

extension ACMERequest {
    /// What the signed request means, in plain words: it follows "key … signed". For POST-as-GET and challenge
    /// responses the text stands alone.
    public var meaning: String {
        switch self {
        case .newAccount(let request) where request.onlyReturnExisting: "a lookup of its account"
        case .newAccount(let request) where request.externalAccount != nil: "a new account with an external account binding"
        case .newAccount: "a new account"
        case .updateAccount: "an update of the account"
        case .deactivateAccount: "a deactivation of the account"
        case .keyChange(let newKey): "a change of the account's key to \"\(newKey)\""
        case .newOrder(let order): "an order for \(Self.list(order.identifiers))"
        case .postAsGet: "fetched"
        case .respondToChallenge: "told the CA that the challenge is ready"
        case .deactivateAuthorization: "a deactivation of an authorization"
        case .finalize(let request): "a certificate request with key \"\(request.key)\" for \(Self.list(request.identifiers))"
        case .revokeCertificate(let request): "a revocation\(request.reason.map { " (\($0.name))" } ?? "")"
        }
    }

    private static func list(_ identifiers: [Identifier]) -> String {
        let shown = identifiers.prefix(5).map(\.value).joined(separator: ", ")
        return identifiers.count > 5 ? "\(shown) and \(identifiers.count - 5) more" : shown
    }
}
