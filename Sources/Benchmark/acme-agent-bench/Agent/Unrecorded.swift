import AgentService
import ArgumentParser
import Logging

/// The daemon without an audit trail, to measure what the trail costs. Neither the daemon's program nor its
/// configuration offers this.
struct Unrecorded: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "unrecorded-daemon", shouldDisplay: false)

    @Option var config: String

    func run() throws {
        var logger = Logger(label: "acme-agentd")
        logger.logLevel = .warning
        try AgentDaemon(configurationFile: config, logger: logger).runUnrecorded()
    }
}
