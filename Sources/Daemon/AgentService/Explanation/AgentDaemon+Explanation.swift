import ACME
import AgentInterface
import SigningPolicy

extension AgentDaemon {
    /// What the policy of the configuration would decide, for an administrator: the daemon does not run, and nothing is
    /// counted. A key counts as bound to the CA of the question, since keys are not looked at.
    /// - Parameter asked: With a subject; without one it is about a user whom no grant can name.
    public func explain(_ asked: DecisionQuestion) -> DecisionExplanation {
        let peer = asked.subject.map { Peer(uid: $0.user, gids: $0.groups) } ?? Peer(uid: Peer.unmapped, gids: [])
        let question = PolicyQuestion(asked, peer: peer) { _ in nil }
        return loaded.report(loaded.explain(question, to: .administrator), of: question, to: .administrator)
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
