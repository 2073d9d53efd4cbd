import AgentService
import ArgumentParser

/// `acme-agentd backup`
struct BackUp: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Write the configuration, the names of the keys and the trail's head to a new file.",
        discussion: """
            The daemon may run meanwhile. The file has no secret. The command prints what is not in it and must be \
            backed up in other ways. Run it as root: a backup that belongs to another user is not restored. --config \
            names another configuration file than \(AgentConfiguration.defaultPath).

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
        abstract: "Restore a backup: the configuration, the names of the keys and the audit trail's head.",
        discussion: """
            Run it as root. No daemon may run: stop acme-agentd.service, and acme-agentd.socket if it is enabled. If \
            this was interrupted, run it again. The configuration goes where it was, or to the file that --config \
            names.

            Example: acme-agentd restore /var/backups/acme-agent/agent.json
            """)

    @ParentCommand var daemon: Daemon

    @Argument(help: "The backup.", completion: .file())
    var file: String

    @Flag(help: "Replace state that differs, and keep the old state next to it.")
    var replace = false

    func validate() throws { try daemon.refuseOwnActions() }

    func run() throws {
        try Daemon.reporting(daemon.config) {
            print(try AgentBackup.restore(file, configurationFile: daemon.config, replaces: replace))
        }
    }
}
