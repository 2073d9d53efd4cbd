import ACME
import AgentInterface
import SigningPolicy

extension AgentDaemon {
    /// What the policy of the configuration would decide, for an administrator: the daemon does not run, and nothing is
    /// counted, so that of the rates only 0 refuses. A key counts as bound to the CA of the question, since keys are not looked at.
    /// - Parameter asked: With a subject; without one it is about a user whom no grant can name.
    public func explain(_ asked: DecisionQuestion) -> DecisionExplanation {
        let peer = asked.subject.map { Peer(uid: $0.user, gids: $0.groups) } ?? Peer(uid: Peer.unmapped, gids: [])
        let question = PolicyQuestion(asked, peer: peer) { _ in nil }
        var explanation = loaded.explain(question, to: .administrator)
        explanation.decision = everAllowed(explanation.decision, about: question)
        return loaded.report(explanation, of: question, to: .administrator)
    }

    /// Refuses what the gate refuses whenever it is asked: what every grant that covers it allows 0 times.
    private func everAllowed(_ decision: PolicyDecision, about question: PolicyQuestion) -> PolicyDecision {
        let policy = loaded.rules.policy
        guard let kind = GrantRate.Kind(question.operation) else { return decision }
        var refused: Refusal?, passedOver: [String] = [], next = decision
        while case .allowed(let grant) = next {
            guard let limit = policy.rate(ofGrant: grant)?.limits[kind], limit.count == 0 else { return next }
            refused = refused ?? Refusal(limit, of: kind, grant: grant, wall: 0, wait: 0)
            passedOver.append(grant)
            next = policy.decide(question, passedOver: passedOver)
        }
        return refused.map { .refused($0) } ?? next
    }

    /// Every grant of the configuration, with those that are off.
    public var grants: GrantListing {
        GrantListing(isComplete: true, file: loaded.configuration.file, grants: loaded.allGrants)
    }

    /// The user of that name or number, with all groups; `nil` if there is none.
    public static func subject(_ user: String) -> DecisionQuestion.Subject? {
        UserDirectory.peer(user).map { DecisionQuestion.Subject(user: $0.uid, groups: $0.gids) }
    }
}
