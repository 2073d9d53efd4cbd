import ACME

/// A decision with what would change it: for somebody who asks before the request is made, or after it was refused.
public struct PolicyExplanation: Hashable, Sendable {
    /// The same as `Policy.decide` gives.
    public var decision: PolicyDecision
    /// Of a refusal: the grant that came closest among those that the listener may know of; `nil` if there is none, or
    /// if no change of a grant would help.
    public var nearest: NearestGrant?

    /// A grant that does not cover the request, and what it would take.
    public struct NearestGrant: Hashable, Sendable {
        public var name: String
        /// What it lacks, each with the change that would close the gap.
        public var lacks: [Lack]
    }

    public struct Lack: Hashable, Sendable {
        public var gap: GrantGap
        public var change: GrantChange
    }

    /// Who listens to an explanation.
    public enum Listener: Sendable {
        /// The peer of the question: learns of no grant that is not for this peer.
        case peer
        /// Somebody who may know all grants.
        case administrator
    }
}

/// A change of one setting of a grant.
public struct GrantChange: Hashable, Sendable {
    public enum Setting: String, Sendable {
        case users, keys, operations, cas, identifiers, wildcards
        case externalAccounts = "external-accounts"
    }

    public var setting: Setting
    /// What its list must name as well; empty for `wildcards`, which must be `true`.
    public var add: [String]

    public init(_ setting: Setting, add: [String] = []) {
        self.setting = setting
        self.add = add
    }
}

extension Grant {
    /// The change that closes a gap of this grant, as small as it can be.
    func change(closing gap: GrantGap, for question: PolicyQuestion) -> GrantChange {
        switch gap {
        case .peer: GrantChange(.users, add: [String(question.peer.uid)])
        case .key(let key): GrantChange(.keys, add: [key.rawValue])
        case .operation(let operation):
            // The configuration must name them together.
            GrantChange(
                .operations,
                add: [operation.rawValue] + operation.grantedOnlyWith.subtracting(operations).map(\.rawValue).sorted())
        case .ca(let origin): GrantChange(.cas, add: [origin.description])
        case .externalAccount(let name): GrantChange(.externalAccounts, add: [name])
        case .identifiers(let identifiers): GrantChange(.identifiers, add: identifiers.map(\.value))
        case .wildcards: GrantChange(.wildcards)
        }
    }
}
