import ArgumentParser

/// The root of the command line.
struct AcmeAgent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "acme-agent",
        abstract: "Certificates from an ACME CA, with keys that stay in a PKCS#11 token.",
        discussion: """
            The keys are used by the agent (acme-agentd), for what its policy lets you do; this program speaks with the CA and answers its \
            challenges. Begin with `acme-agent account register --agree-tos`, then `acme-agent issue -d www.example.org`.

            Exit status: 0 done, 1 failed, 2 refused by the agent's policy, 3 agent or token not available, 4 refused by the CA, 5 a name \
            was not validated, 64 wrong usage, 75 try again later, 78 wrong configuration, 130 and 143 interrupted.
            """,
        version: Version.text,
        groupedSubcommands: [
            CommandGroup(name: "Certificates:", subcommands: [Issue.self, Renew.self, Revoke.self, List.self, Show.self, Forget.self]),
            CommandGroup(name: "The agent:", subcommands: [AccountCommand.self, Keys.self, Audit.self, Status.self]),
        ])

    @OptionGroup(visibility: .hidden) var options: GlobalOptions
}

/// A command that does something, as opposed to a group of commands.
protocol AgentCommand: AsyncParsableCommand {
    static var stateUse: StateUse { get }
    var options: GlobalOptions { get }
    func run(_ session: Session) async throws -> ExitStatus
}

extension AgentCommand {
    static var stateUse: StateUse { .expected }
}

/// What a command has to do with the state directory.
enum StateUse {
    /// It works on what is there.
    case expected
    /// It makes it.
    case made
    /// Nothing.
    case none
}

/// What the program is called where it names itself.
enum Version {
    static let number = "0.1.0"
    static let text = "acme-agent \(number)"
    /// RFC 8555 §6.1: a CA's operator can tell who asks.
    static let userAgent = "acme-agent/\(number) (+https://github.com/acme-agent/acme-agent)"
}
