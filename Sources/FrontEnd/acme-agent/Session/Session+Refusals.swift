import ACME
import AgentInterface

extension Session {
    /// A refusal, with a word about grants that are off, if the agent says that there are any: one of them may be the
    /// missing one. The agent decides what this user may know of them.
    func explained(_ failure: Failure) async -> Failure {
        guard failure.exitStatus == .refused, let agent = try? await agent(), let status = try? await agent.status() else { return failure }
        let own = status.problems.filter { $0.what == "grant" }.map { "\"\(TerminalText.safe($0.name, limit: 64))\"" }
        let what: String
        switch own.count {
        case 0:
            guard status.problems.contains(where: { $0.what == "grants" }) else { return failure }
            what = "grants are off, and may be meant for you"
        case 1: what = "your grant \(own[0]) is off"
        default: what = "your grants \(own.joined(separator: ", ")) are off"
        }
        var failure = failure
        failure.hint = (failure.hint.map { $0 + "; " } ?? "") + "\(what): `acme-agent status` says more"
        return failure
    }
}
