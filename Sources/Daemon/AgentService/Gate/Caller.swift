import ACME
import NIOCore
import SigningPolicy

/// What the configuration says about who may have what signed. Immutable: a new configuration is a new value, so that
/// no request sees half of each.
final class Rules: Sendable {
    let policy: Policy
    /// By name.
    let externalAccounts: [String: LoadedExternalAccount]
    let limits: Limits

    /// How much one caller may take, and how its signatures are made.
    struct Limits: Sendable {
        var connectionsPerUser: Int
        /// Of all users.
        var connections: Int
        var verification: AgentConfiguration.Verification
        /// How long a signature may take, queue included.
        var signingDeadline: TimeAmount
    }

    init(policy: Policy, externalAccounts: [String: LoadedExternalAccount], limits: Limits) {
        self.policy = policy
        self.externalAccounts = externalAccounts
        self.limits = limits
    }
}

/// Who makes a call, what ties the call's records together, and the rules that apply to it: those in force when it
/// came.
struct Caller {
    let peer: AgentPeer
    /// Start, connection and call, for example `4711-12-3`: the same in the daemon's log and in the audit trail.
    let correlation: String
    let rules: Rules

    /// Whether the caller may learn about a key of that name.
    func mayList(_ key: KeyName) -> Bool { rules.policy.mayList(key: key, peer: peer.identity) }
}
