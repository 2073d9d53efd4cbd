import CertificateStore

/// Who has to act after a failure: the label `cause` of the metrics, a closed list (Docs/metrics.md).
enum FailureCause: String, CaseIterable {
    /// The agent stopped answering, or cannot sign because of its token or audit trail.
    case agent
    /// The agent refused: no grant allows it, a rate is used up, or the key is missing, retired or compromised.
    case policy
    /// This machine or its settings: a full disk, a port that another program uses, a command that is wrong.
    case local
    /// A name was not proven, or its challenge could not be set up.
    case validation
    /// The CA is down, refuses, or answered what it must not.
    case ca
    /// A hook.
    case deployment

    /// - Parameter code: of a `Failure`; an unknown one is `local`, where every error without its own code belongs.
    init(code: String) {
        switch code {
        case "agent-unreachable", "agent-protocol", "token-unavailable", "signing-failed", "audit-unavailable", "overloaded",
            "key-unusable":
            self = .agent
        case "refused", "rate-exceeded", "key-not-found", "key-exists", "key-in-use", "key-retired", "key-compromised", "invalid-request":
            self = .policy
        case "validation-failed", "no-challenge", "challenge-setup", "challenge-failed", "challenge-not-seen", "challenge-leftover":
            self = .validation
        case "ca-refused", "ca-unreachable", "ca-tls", "ca-protocol", "ca-unavailable", "rate-limited", "order-gone", "order-not-found",
            "timeout", "no-account", "account-closed", "terms-not-agreed", "user-action-required", "external-account-required",
            "store-chain-refused":
            self = .ca
        case "deploy-failed", "deploy-refused", "not-deployed": self = .deployment
        default: self = .local
        }
    }

    /// Records of earlier versions have no code: of what was neither the CA's nor a hook's, most was a validation.
    init(_ failures: RenewalRecord.Failures) {
        if failures.isDeployment {
            self = .deployment
        } else if let code = failures.code {
            self.init(code: code)
        } else {
            self = failures.isOfCA ? .ca : .validation
        }
    }
}
