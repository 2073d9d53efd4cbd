import ArgumentParser

/// `policy`: what the agent's policy allows, before it is asked for.
struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Show what the agent's policy allows, and why it refuses.",
        discussion: """
            Nothing is signed. The agent tells only root, its own user and users with read-audit about other users' \
            grants.

            Example: acme-agent policy check --order www.example.org
            """,
        subcommands: [PolicyCheck.self, PolicyMatrix.self])

    @OptionGroup(visibility: .hidden) var options: GlobalOptions
}
