import AgentInterface
import ArgumentParser
import PolicyInquiry

struct PolicyMatrix: AgentCommand {
    static let stateUse = StateUse.none
    static let configuration = CommandConfiguration(
        commandName: "matrix", abstract: "Show who may do what, with which keys and for which names.",
        discussion: """
            It shows your own grants. Root, the agent's own user and users with read-audit see everybody's, those that \
            are off included.

            Example: acme-agent policy matrix
            """)

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let listing = try await session.agent().grants()
        if listing.grants.isEmpty {
            session.output.note(
                listing.isComplete ? "the agent's configuration has no grant" : "no grant of the policy names you (acme-agent status)")
        }
        let width = Terminal.standardOutput.width ?? GrantMatrix.usualWidth
        try session.output.result(listing.grants.isEmpty ? "" : GrantMatrix(listing).text(width: width)) { listing.writeMembers(to: &$0) }
        return .success
    }
}
