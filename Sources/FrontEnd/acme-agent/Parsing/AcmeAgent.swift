import ArgumentParser

/// The root of the command line.
struct AcmeAgent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "acme-agent",
        abstract: "Certificates from an ACME CA, with keys that stay in a PKCS#11 token.",
        discussion: """
            The agent (acme-agentd) uses the keys and signs what its policy lets you request. This program talks to \
            the CA and answers its challenges. Start with `acme-agent account register --agree-tos`, then \
            `acme-agent issue -d www.example.org`.

            Exit status: 0 done, 1 failed, 2 refused by the agent's policy, 3 agent or token not available, 4 refused \
            by the CA, 5 a name was not validated, 6 something needs attention (--check), 64 wrong usage, 75 try again \
            later, 78 wrong configuration, 130 and 143 interrupted.

            Example: acme-agent issue -d www.example.org
            """,
        version: Version.text,
        groupedSubcommands: [
            CommandGroup(
                name: "Certificates:",
                subcommands: [
                    Issue.self, Renew.self, Run.self, Apply.self, Revoke.self, List.self, Show.self, Forget.self, Deploy.self,
                    RootDeploy.self, Persist.self, ChallengeCommand.self, CSR.self, Import.self, Migrate.self,
                ]),
            CommandGroup(
                name: "The agent:",
                subcommands: [
                    AccountCommand.self, CACommand.self, Keys.self, PolicyCommand.self, Audit.self, Status.self, ReportCommand.self,
                    MetricsCommand.self,
                    Doctor.self,
                ]),
        ])

    @OptionGroup(visibility: .hidden) var options: GlobalOptions
}
