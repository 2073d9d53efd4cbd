import StrictJSON

/// The states of a challenge (RFC 8555 §7.1.6).
public enum ChallengeStatus: String, CaseIterable, Hashable, Sendable { case pending, processing, valid, invalid }

/// One way to prove control of a name (RFC 8555 §7.1.5 and §8).
public struct Challenge: Hashable, Sendable {
    /// As the CA sent it; it may be a type not known here.
    public var type: String
    /// Where the response is sent.
    public var url: ACMEURL
    /// Its state.
    public var status: ChallengeStatus
    /// Checked to be base64url (see `ChallengeToken`); absent only for types not known here.
    public var token: String?
    /// For dns-persist-01, which has no token; `nil` if the CA's offer is malformed.
    public var persistOffer: DNSPersistRecord.Offer?
    /// Why it failed.
    public var error: Problem?
    /// RFC 3339.
    public var validated: String?

    /// The type, if it is known here.
    public var kind: ChallengeType? { ChallengeType(rawValue: type) }

    public init(type: String, url: ACMEURL, status: ChallengeStatus, token: String?) {
        self.type = type
        self.url = url
        self.status = status
        self.token = token
    }

    /// Reads a challenge of a known type.
    /// - Throws: if a member is missing or of another type, or the token is not base64url. Unknown members are ignored.
    public init(json: JSONValue) throws(ACMEDocumentError) {
        let reader = try DocumentReader("challenge", json)
        type = try reader.string("type")
        guard type.utf8.count <= 64 else { throw reader.failure("type", "longer than 64 bytes") }
        url = try reader.url("url")
        // RFC 8555 §7.1.5 requires it; a server in wide use omits it until something has happened.
        status = reader.object.optional("status") == nil ? .pending : try reader.status(ChallengeStatus.self)
        token = try reader.text("token")
        if let token, !ChallengeToken.isValid(token) { throw reader.failure("token", "not base64url") }
        let kind = ChallengeType(rawValue: type)
        if kind == .dnsPersist01 { persistOffer = DNSPersistRecord.Offer(challenge: reader.object) }
        guard token != nil || kind == nil || kind == .dnsPersist01 else { throw reader.failure("token", "it is missing") }
        error = reader.object.optional("error").map { Problem(json: $0) }
        validated = try reader.timestamp("validated")
    }

    /// Reads a challenge of an unknown type. It is never answered, so its faults do not matter.
    /// - Returns: `nil` if the type is known, or the type or URL is missing or invalid.
    init?(unknown json: JSONValue) {
        guard let type = try? json["type"]?.string(), type.utf8.count <= 64, ChallengeType(rawValue: type) == nil,
            let text = try? json["url"]?.string(), let url = try? ACMEURL(text)
        else { return nil }
        let status = (try? json["status"]?.string()).flatMap { ChallengeStatus(rawValue: $0) }
        self.init(type: type, url: url, status: status ?? .pending, token: nil)
        error = json["error"].flatMap { $0.isNull ? nil : Problem(json: $0) }
    }
}
