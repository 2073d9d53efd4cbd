/// A request to a CA in its meaning. The signer writes header, payload and CSR from it; no caller hands over bytes to be signed.
public enum ACMERequest: Hashable, Sendable {
    case newAccount(NewAccount)
    case updateAccount(AccountUpdate)
    case deactivateAccount
    /// - Parameter newKey: the agent's name of the key that takes over.
    case keyChange(newKey: KeyName)
    case newOrder(NewOrder)
    case postAsGet
    case respondToChallenge
    case deactivateAuthorization
    case finalize(CertificateRequest)
    case revokeCertificate(Revocation)

    /// What a grant has to name for it.
    public var operation: Operation {
        switch self {
        case .newAccount: .newAccount
        case .updateAccount: .updateAccount
        case .deactivateAccount: .deactivateAccount
        case .keyChange: .keyChange
        case .newOrder: .newOrder
        case .postAsGet: .postAsGet
        case .respondToChallenge: .respondToChallenge
        case .deactivateAuthorization: .deactivateAuthorization
        case .finalize: .finalize
        case .revokeCertificate: .revokeCertificate
        }
    }

    /// Whether the request changes something at the CA, so that its audit record is synced before the signature goes out.
    public var changesState: Bool { self != .postAsGet }

    /// Checks what the types leave open: contacts, timestamps, counts. To be called once where a request comes in.
    public func validate() throws(ACMERequestError) {
        switch self {
        case .newAccount(let request): try request.validate()
        case .updateAccount(let request): try request.validate()
        case .newOrder(let request): try request.validate()
        case .finalize(let request): try request.validate()
        case .revokeCertificate(let request): try request.validate()
        case .deactivateAccount, .keyChange, .postAsGet, .respondToChallenge, .deactivateAuthorization: break
        }
    }
}

/// Why a request is not one that may be signed, for whomever.
public struct ACMERequestError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The member of the request, named as in ACME.
    public let member: String
    /// A sentence's part; printable.
    public let reason: String

    /// Both parts have to be printable.
    public init(member: String, reason: String) {
        self.member = member
        self.reason = reason
    }

    public var description: String { "\(member): \(reason)" }
}
