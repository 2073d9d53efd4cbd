import ArgumentParser

/// `challenge`: how challenges are answered.
struct ChallengeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "challenge", abstract: "Try how challenges are answered.",
        discussion: "Example: acme-agent challenge test www.example.org",
        subcommands: [ChallengeTest.self])

    @OptionGroup(visibility: .hidden) var options: GlobalOptions
}
