import ArgumentParser

/// `ca`: the CAs that have names.
struct CACommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca", abstract: "Show the CAs that are known by name, and what they offer.",
        discussion: "Example: acme-agent ca list",
        subcommands: [CAList.self, CAShow.self])

    @OptionGroup(visibility: .hidden) var options: GlobalOptions
}
