import StrictJSON

/// The states of an authorization (RFC 8555 §7.1.6).
public enum AuthorizationStatus: String, CaseIterable, Hashable, Sendable { case pending, valid, invalid, deactivated, expired, revoked }

/// An account's authorization for an identifier, granted or pending (RFC 8555 §7.1.4).
public struct Authorization: Hashable, Sendable {
    /// CAs offer three to six.
    public static let maximumChallenges = 100

    /// Without `*.` for a wildcard; see `wildcard`.
    public var identifier: Identifier
    /// Its state.
    public var status: AuthorizationStatus
    /// RFC 3339.
    public var expires: String?
    /// The challenges that the CA offers; one is enough.
    public var challenges: [Challenge]
    /// Whether it is for the wildcard of `identifier`.
    public var wildcard: Bool

    /// - Throws: if a member is missing, of another type or beyond its limit. Unknown members and challenge types are
    ///   ignored.
    public init(json: JSONValue) throws(ACMEDocumentError) {
        let reader = try DocumentReader("authorization", json)
        let value: JSONValue
        do { value = try reader.object.required("identifier") } catch { throw ACMEDocumentError("authorization", error) }
        identifier = try reader.identifier(value)
        status = try reader.status(AuthorizationStatus.self)
        expires = try reader.timestamp("expires")
        challenges = []
        for value in try reader.array("challenges", limit: Authorization.maximumChallenges, isRequired: true) {
            if (try? value["type"]?.string()).flatMap({ ChallengeType(rawValue: $0) }) != nil {
                challenges.append(try Challenge(json: value))
            } else if let challenge = Challenge(unknown: value) {
                challenges.append(challenge)
            }
        }
        wildcard = try reader.bool("wildcard") ?? false
    }

    /// The first challenge of that type.
    public func challenge(_ type: ChallengeType) -> Challenge? { challenges.first { $0.kind == type } }

    /// Why it is invalid: the first error that a challenge has (RFC 8555 §7.5.1).
    public var error: Problem? { challenges.lazy.compactMap(\.error).first }
}
