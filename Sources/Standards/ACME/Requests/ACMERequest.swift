/// What a request to a CA means. The signer writes header, payload and CSR from it; no caller can supply the bytes to
/// be signed.
public enum ACMERequest: Hashable, Sendable {
    case newAccount(NewAccount)
    case updateAccount(AccountUpdate)
    case deactivateAccount
    /// - Parameter newKey: the agent's name for the new key.
    case keyChange(newKey: KeyName)
    case newOrder(NewOrder)
    case postAsGet
    case respondToChallenge
    case deactivateAuthorization
    case finalize(CertificateRequest)
    case revokeCertificate(Revocation)

    /// The operation that a grant must name.
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

    /// Whether the request changes something at the CA, so that its audit record must be synced before the signature is
    /// returned.
    public var changesState: Bool { self != .postAsGet }

    /// Checks what the types leave open: contacts, timestamps, counts. Call it once, when a request arrives.
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

/// Why a request may not be signed for any caller.
public struct ACMERequestError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The member of the request, named as in ACME.
    public let member: String
    /// Part of a sentence; printable.
    public let reason: String

    /// Both must be printable.
    public init(member: String, reason: String) {
        self.member = member
        self.reason = reason
    }

    public var description: String { "\(member): \(reason)" }
}
