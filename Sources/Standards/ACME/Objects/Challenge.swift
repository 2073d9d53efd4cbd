import StrictJSON

/// The states of a challenge (RFC 8555 §7.1.6).
public enum ChallengeStatus: String, CaseIterable, Hashable, Sendable { case pending, processing, valid, invalid }

/// One way to prove control of a name (RFC 8555 §7.1.5 and §8).
public struct Challenge: Hashable, Sendable {
    /// As the CA says it, one that is not known here included.
    public var type: String
    /// Where the response goes.
    public var url: ACMEURL
    /// Where it stands.
    public var status: ChallengeStatus
    /// Checked to be base64url (see `ChallengeToken`); only types that are not known here come without.
    public var token: String?
    /// Why it failed.
    public var error: Problem?
    /// RFC 3339.
    public var validated: String?

    /// The type, where it is one that is answered here.
    public var kind: ChallengeType? { ChallengeType(rawValue: type) }

    public init(type: String, url: ACMEURL, status: ChallengeStatus, token: String?) {
        self.type = type
        self.url = url
        self.status = status
        self.token = token
    }

    /// Reads a challenge of a type that is answered here.
    /// - Throws: where a member is missing, of another type or no base64url token; unknown members are passed over.
    public init(json: JSONValue) throws(ACMEDocumentError) {
        let reader = try DocumentReader("challenge", json)
        type = try reader.string("type")
        guard type.utf8.count <= 64 else { throw reader.failure("type", "longer than 64 bytes") }
        url = try reader.url("url")
        // RFC 8555 §7.1.5 requires it; a server in wide use leaves it out while nothing has happened.
        status = reader.object.optional("status") == nil ? .pending : try reader.status(ChallengeStatus.self)
        token = try reader.text("token")
        if let token, !ChallengeToken.isValid(token) { throw reader.failure("token", "not base64url") }
        guard token != nil || ChallengeType(rawValue: type) == nil else { throw reader.failure("token", "it is not there") }
        error = reader.object.optional("error").map { Problem(json: $0) }
        validated = try reader.timestamp("validated")
    }

    /// Reads a challenge of a type that nobody here answers: whatever is odd about it does not matter.
    /// - Returns: `nil` where it is one that is answered here, or has neither type nor URL.
    init?(unknown json: JSONValue) {
        guard let type = try? json["type"]?.string(), type.utf8.count <= 64, ChallengeType(rawValue: type) == nil,
            let text = try? json["url"]?.string(), let url = try? ACMEURL(text)
        else { return nil }
        let status = (try? json["status"]?.string()).flatMap { ChallengeStatus(rawValue: $0) }
        self.init(type: type, url: url, status: status ?? .pending, token: nil)
        error = json["error"].flatMap { $0.isNull ? nil : Problem(json: $0) }
    }
}
