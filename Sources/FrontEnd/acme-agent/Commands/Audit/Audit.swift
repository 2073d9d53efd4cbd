import ArgumentParser

/// `audit`: who used which key, for what.
struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read and verify the agent's audit trail.",
        discussion: "Example: acme-agent audit tail --follow", subcommands: [AuditVerify.self, AuditShow.self, AuditTail.self])

    @OptionGroup(visibility: .hidden) var options: GlobalOptions
}
