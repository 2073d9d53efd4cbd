import ArgumentParser

/// `policy`: what the agent's policy allows, before it is asked for.
struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Show what the agent's policy allows, and why it refuses.",
        discussion: """
            Nothing is signed. About other users' grants the agent answers root, its own user and those who may read \
            the audit trail.

            Example: acme-agent policy check --order www.example.org
            """,
        subcommands: [PolicyCheck.self, PolicyMatrix.self])

    @OptionGroup(visibility: .hidden) var options: GlobalOptions
}
