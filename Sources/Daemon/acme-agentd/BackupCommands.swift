import AgentService
import ArgumentParser

/// `acme-agentd backup`
struct BackUp: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Write the configuration, the names of the keys and the trail's head to a new file.",
        discussion: """
            A daemon may run meanwhile. The file has no secret: it names those that are to be kept elsewhere, and says what \
            else is not in it. Run it as root, who takes no other user's file back.

            Example: acme-agentd backup /var/backups/acme-agent/agent.json
            """)

    @ParentCommand var daemon: Daemon

    @Argument(help: "The backup; it must not exist.", completion: .file())
    var file: String

    @Option(name: .long, help: ArgumentHelp("Read this configuration.", valueName: "file"))
    var config: String?

    func run() throws {
        let config = config ?? daemon.config
        try Daemon.reporting(config) { print(try AgentBackup.make(of: config, to: file)) }
    }
}

/// `acme-agentd restore`
struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put a backup back: configuration, names of keys, and what is known of the audit trail's end.",
        discussion: """
            No daemon may run: stop acme-agentd.service, and acme-agentd.socket if it is enabled. If this was interrupted, run \
            it again. Run it as root.

            Example: acme-agentd restore /var/backups/acme-agent/agent.json
            """)

    @ParentCommand var daemon: Daemon

    @Argument(help: "The backup.", completion: .file())
    var file: String

    @Option(name: .long, help: ArgumentHelp("Where the configuration goes. (default: where it was)", valueName: "file"))
    var config: String?

    @Flag(help: "Replace state that is there, and keep it beside.")
    var replace = false

    func run() throws {
        // The daemon's own default is not where the configuration was.
        let config = config ?? (daemon.config == AgentConfiguration.defaultPath ? nil : daemon.config)
        try Daemon.reporting(config) { print(try AgentBackup.restore(file, configurationFile: config, replaces: replace)) }
    }
}
