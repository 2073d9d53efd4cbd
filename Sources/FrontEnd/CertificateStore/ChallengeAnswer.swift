import ACME

/// The answer to a challenge: what is shown for which name, and where. Written down before it is shown, so that a later run can take it away.
public struct ChallengeAnswer: Hashable, Sendable {
    public var type: ChallengeType
    /// With `*.` in front for a wildcard.
    public var identifier: Identifier
    public var keyAuthorization: KeyAuthorization
    /// Where it is: the file of a webroot, the name of a TXT record, the address of a listener. As its solver said.
    public var target: String

    public init(type: ChallengeType, identifier: Identifier, keyAuthorization: KeyAuthorization, target: String) {
        self.type = type
        self.identifier = identifier
        self.keyAuthorization = keyAuthorization
        self.target = target
    }
}
