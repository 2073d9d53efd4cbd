import SigningPolicy

/// What the configuration says of who may have what signed. Never changed: a new configuration is a new value, so that no request sees half
/// of each.
final class Rules: Sendable {
    let policy: Policy
    /// By name.
    let externalAccounts: [String: LoadedExternalAccount]

    init(policy: Policy, externalAccounts: [String: LoadedExternalAccount]) {
        self.policy = policy
        self.externalAccounts = externalAccounts
    }
}

/// Who makes a call, what ties the call's records together, and the rules by which all of it is judged: those in force when it came.
struct Caller {
    let peer: AgentPeer
    /// Connection and call, for example `12-3`: the same in the daemon's log and in the audit trail.
    let correlation: String
    let rules: Rules

    /// Whether the caller may hear of a key of that name.
    func mayList(_ key: String) -> Bool { rules.policy.mayList(key: key, peer: peer.identity) }
}
