import ACME
import ACMEClient

/// A CA that speaks ACME (RFC 8555).
public struct ACMEIssuer: CertificateIssuer {
    /// Names for each additional concurrent request. Each costs a newNonce, about one in fifty of an order's requests.
    static let identifiersPerLane = 20

    private let client: ACMEClient
    private let thumbprint: String
    public let accountKey: KeyName

    /// - Throws: `ACMEClientError.noAccount` if the client has no signer or no account.
    public init(client: ACMEClient) throws {
        guard let signer = client.signer, client.account != nil else { throw ACMEClientError.noAccount }
        self.client = client
        thumbprint = signer.publicKey.thumbprint
        accountKey = signer.keyName
    }

    /// For revocations by a certificate's own key, which need no account (RFC 8555 §7.6). Everything else fails with
    /// `ACMEClientError.noAccount`.
    /// - Parameter client: one without a signer.
    public init(client: ACMEClient, revokingBy certificateSigner: any AccountSigner) {
        self.client = client
        thumbprint = certificateSigner.publicKey.thumbprint
        accountKey = certificateSigner.keyName
    }

    public var directory: ACMEURL { client.directoryURL }
    public var account: ACMEURL? { client.account }
    public var roundTrip: Duration? { client.lastRoundTrip }

    public func prepare(forIdentifiers count: Int) { client.allowParallelRequests(1 + count / Self.identifiersPerLane) }

    public func place(_ order: NewOrder) async throws -> IssuerOrder {
        var order = order
        // RFC 9773 §5: only for a CA that knows the member.
        if order.replaces != nil, try await client.directory().renewalInfo == nil { order.replaces = nil }
        if let profile = order.profile {
            let offered = try await client.directory().profiles
            guard offered[profile] != nil else { throw IssuanceError.profileNotOffered(profile, offered: offered.keys.sorted()) }
        }
        do { return try Self.order(await client.newOrder(order)) } catch let error as ACMEClientError {
            if error.problem?.kind == .unauthorized, let contact = await contactOfClosedAccount() {
                throw IssuanceError.accountClosed(accountKey, error.problem, contact: contact, directory: directory)
            }
            throw error
        }
    }

    /// The contacts of a deactivated or revoked account that the CA still shows; `nil` if the account works, or nothing
    /// is known.
    private func contactOfClosedAccount() async -> [String]? {
        do {
            let account = try await client.fetchAccount()
            return account.status == .valid ? nil : account.contact
        } catch let error as ACMEClientError where error.problem?.kind == .unauthorized {
            return []
        } catch { return nil }
    }

    public func order(at url: ACMEURL) async throws -> IssuerOrder {
        do {
            return try Self.order(await client.order(url))
        } catch ACMEClientError.problem(let problem, let status, _, _) where status == 404 || status == 410 {
            throw IssuanceError.orderGone(url, problem)
        } catch ACMEClientError.unexpectedStatus(let status, _, _) where status == 404 || status == 410 {
            throw IssuanceError.orderGone(url, nil)
        }
    }

    public func authorization(at url: ACMEURL) async throws -> IssuerAuthorization {
        let authorization = try await client.authorization(url).value
        let state: IssuerAuthorization.State =
            switch authorization.status {
            case .pending: .pending
            case .valid: .proven
            case .invalid, .deactivated, .expired, .revoked: .failed
            }
        return IssuerAuthorization(
            url: url, identifier: try Self.identifier(authorization), state: state,
            challenges: authorization.challenges, problem: authorization.error)
    }

    public func deactivate(authorization url: ACMEURL) async throws { try await client.deactivate(authorization: url) }

    /// RFC 8555 §7.1.4: a wildcard's authorization has the identifier without the `*.`.
    private static func identifier(_ authorization: Authorization) throws -> Identifier {
        guard authorization.wildcard, case .dns(let name) = authorization.identifier, !name.isWildcard else {
            return authorization.identifier
        }
        return .dns(try DNSName("*." + name.text))
    }

    public func keyAuthorization(of challenge: Challenge) -> KeyAuthorization? {
        guard challenge.kind != nil, let token = challenge.token else { return nil }
        return KeyAuthorization(token: token, thumbprint: thumbprint)
    }

    public func persistRecord(for challenge: Challenge) async throws -> DNSPersistRecord.Expectation? {
        guard let offer = challenge.persistOffer, let account = client.account else { return nil }
        return offer.expectation(try await client.directory(), account: account, thumbprint: thumbprint)
    }

    public func validate(_ challenge: Challenge) async throws -> Challenge? {
        do { return try await client.respond(to: challenge.url).value } catch let error as ACMEClientError {
            switch error {
            // The CA accepted the response; polling the order shows the result.
            case .invalidDocument, .unexpectedContentType: return nil
            default: throw error
            }
        }
    }

    public func finalize(_ order: IssuerOrder, _ request: CertificateRequest) async throws -> IssuerOrder {
        guard let url = order.finalize else {
            throw ACMEClientError.invalidDocument(
                url: order.url, reason: "the CA's order is ready but does not say where to finalize it: member \"finalize\" is missing")
        }
        do {
            return try Self.order(await client.finalize(url, order: order.url, request))
        } catch let error as ACMEClientError where error.problem?.kind == .orderNotReady {
            return try await self.order(at: order.url)
        }
    }

    public func chain(at url: ACMEURL, within patience: Duration?) async throws -> IssuerChain {
        let chain = try await client.certificate(url, within: patience)
        return IssuerChain(pem: chain.pem, url: url, alternates: chain.alternates)
    }

    public func revoke(_ revocation: Revocation, signedBy certificateSigner: (any AccountSigner)?) async throws {
        try await client.revoke(revocation, signedBy: certificateSigner)
    }

    private static func order(_ resource: ACMEResource<Order>) throws -> IssuerOrder {
        let order = resource.value
        let state: IssuerOrder.State
        switch order.status {
        case .pending: state = .pending
        case .ready: state = .ready
        case .processing: state = .processing
        case .invalid: state = .failed
        case .valid:
            // RFC 8555 §7.1.3: a valid order names its certificate.
            guard let certificate = order.certificate else {
                throw ACMEClientError.invalidDocument(url: resource.url, reason: "the CA's order is valid but names no certificate")
            }
            state = .issued(certificate: certificate)
        }
        return IssuerOrder(
            url: resource.url, state: state, identifiers: order.identifiers, authorizations: order.authorizations,
            finalize: order.finalize, problem: order.error, retryAfter: resource.retryAfter, profile: order.profile)
    }
}
