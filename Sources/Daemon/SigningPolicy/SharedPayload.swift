import ACME

/// An operation whose signed payload a CA may take for another operation's. The caller supplies every URL, so it can
/// have one signed and use it as the other. Docs/threat-model.md, "Payloads that coincide", has the same list with what
/// Pebble, Boulder and step-ca make of each.
public struct SharedPayload: Hashable, Sendable {
    /// What follows for the policy.
    public enum Consequence: Hashable, Sendable {
        /// The other does more: a grant that names the first must also name the other.
        case grantedTogether
        /// The other does no more than the first, or nothing: the first may be granted alone.
        case noStronger
        /// The protected header says which of the two is meant: `jwk` for the one, `kid` for the other (RFC 8555 §6.2).
        case keptApart
        /// A content that would do for both can be built, and is refused.
        case refused
    }

    /// What the grant names and the agent signs.
    public let signed: Operation
    /// What a CA may take it for.
    public let taken: Operation
    public let consequence: Consequence

    /// Every pair. A test derives them from the payloads, and compares.
    public static let all: [SharedPayload] = {
        // Any object answers a challenge (RFC 8555 §7.5.1); at step-ca, an empty payload does too. That starts a check
        // whose result the CA decides, which is less than what any of these do except reading.
        let objects: [Operation] = [
            .updateAccount, .deactivateAccount, .keyChange, .newOrder, .deactivateAuthorization, .finalize, .revokeCertificate,
        ]
        return (objects + [.postAsGet]).map { SharedPayload(signed: $0, taken: .respondToChallenge, consequence: .noStronger) }
            // No member of a new account's object is required, so any object makes one, but only with `jwk`.
            + (objects + [.respondToChallenge]).filter { $0 != .revokeCertificate }
            .map { SharedPayload(signed: $0, taken: .newAccount, consequence: .keptApart) }
            + [
                SharedPayload(signed: .deactivateAuthorization, taken: .deactivateAccount, consequence: .grantedTogether),
                SharedPayload(signed: .deactivateAccount, taken: .deactivateAuthorization, consequence: .noStronger),
                // Signed by the certificate's key, whose `jwk` would become an account's: one for which nothing can be
                // signed.
                SharedPayload(signed: .revokeCertificate, taken: .newAccount, consequence: .noStronger),
                SharedPayload(signed: .newAccount, taken: .updateAccount, consequence: .keptApart),
                SharedPayload(signed: .newAccount, taken: .respondToChallenge, consequence: .keptApart),
                // The CSR of a finalization is not secret, and is bound to no CA.
                SharedPayload(signed: .finalize, taken: .signRequest, consequence: .noStronger),
                // The caller brings the randoms and the point, which can hold a request for the same key. So Ed25519 keys
                // do not sign it, nor does any other key a content that begins like one. No two other handshakes share
                // a content, nor does one with a CSR or JWS.
                SharedPayload(signed: .signServerKeyExchange, taken: .signRequest, consequence: .refused),
            ]
    }()
}

extension Operation {
    /// What a grant with this operation must name too, since a signature for one is a signature for the other.
    public var grantedOnlyWith: Set<Operation> {
        Set(SharedPayload.all.filter { $0.signed == self && $0.consequence == .grantedTogether }.map(\.taken))
    }
}

extension Set<Operation> {
    /// The first operation here, in the order of their names, that is granted only together with one that is not here.
    public var incomplete: (weaker: Operation, stronger: Operation)? {
        for operation in sorted(by: { $0.rawValue < $1.rawValue }) {
            if let stronger = operation.grantedOnlyWith.subtracting(self).min(by: { $0.rawValue < $1.rawValue }) {
                return (operation, stronger)
            }
        }
        return nil
    }
}
