import ACME

/// The answer to a challenge: what is presented for which name, and where. It is recorded before it is presented, so
/// that a later run can remove it.
public struct ChallengeAnswer: Hashable, Sendable {
    public var type: ChallengeType
    /// With a leading `*.` for a wildcard.
    public var identifier: Identifier
    public var keyAuthorization: KeyAuthorization
    /// The place that the solver named: a webroot's file, a TXT record's name, a listener's address.
    public var target: String
    /// Where that is in the end, in the solver's own words, if it had to be found: it may be elsewhere by the time of the
    /// removal.
    public var place: String?

    public init(type: ChallengeType, identifier: Identifier, keyAuthorization: KeyAuthorization, target: String, place: String? = nil) {
        self.type = type
        self.identifier = identifier
        self.keyAuthorization = keyAuthorization
        self.target = target
        self.place = place
    }
}
