import AgentService
import ArgumentParser

/// `acme-agentd backup`
struct BackUp: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Write the configuration, the names of the keys and the trail's head to a new file.",
        discussion: """
            A daemon may run meanwhile. The file has no secret: it names those that are to be kept elsewhere, and says what \
            else is not in it. Run it as root, who takes no other user's file back. --config names another configuration \
            file than \(AgentConfiguration.defaultPath).

            Example: acme-agentd backup /var/backups/acme-agent/agent.json
            """)

    @ParentCommand var daemon: Daemon

    @Argument(help: "The backup; it must not exist.", completion: .file())
    var file: String

    func validate() throws { try daemon.refuseOwnActions() }

    func run() throws {
        let config = daemon.configurationFile
        try Daemon.reporting(config) { print(try AgentBackup.make(of: config, to: file)) }
    }
}

/// `acme-agentd restore`
struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put a backup back: configuration, names of keys, and what is known of the audit trail's end.",
        discussion: """
            No daemon may run: stop acme-agentd.service, and acme-agentd.socket if it is enabled. If this was interrupted, run \
            it again. Run it as root. The configuration goes where it was, or to the file that --config names.

            Example: acme-agentd restore /var/backups/acme-agent/agent.json
            """)

    @ParentCommand var daemon: Daemon

    @Argument(help: "The backup.", completion: .file())
    var file: String

    @Flag(help: "Replace state that is there, and keep it beside.")
    var replace = false

    func validate() throws { try daemon.refuseOwnActions() }

    func run() throws {
        try Daemon.reporting(daemon.config) {
            print(try AgentBackup.restore(file, configurationFile: daemon.config, replaces: replace))
        }
    }
}
