import AgentService
import ArgumentParser
import BuildInformation
import Glibc
import Logging

/// `acme-agentd`: the privileged agent. Assembly only.
@main
struct Daemon: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "acme-agentd",
        abstract: "Signs ACME requests, certificate requests and TLS handshakes with keys in a PKCS#11 token.",
        discussion: "Exit status: 0 stopped on request, 1 could not start, 64 usage error, 78 configuration error.",
        version: "acme-agentd \(AgentVersion.current)")

    @Option(name: .long, help: "The configuration file.")
    var config = AgentConfiguration.defaultPath

    @Flag(name: .long, help: "Check the configuration, print what it means, and exit.")
    var checkConfig = false

    @Flag(name: .long, help: "Accept an audit trail that was cut, removed or rewritten, record that in it, and exit.")
    var acceptAuditTrail = false

    @Option(name: .long, help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel = Logger.Level.info

    /// The parser would end at `--version`, which prints text.
    static func main() {
        guard BuildInformation.isWanted(by: CommandLine.arguments.dropFirst()) else { return main(nil) }
        print(BuildInformation.current.json(program: "acme-agentd"))
    }

    func validate() throws {
        guard config.isEmpty else { return }
        throw ValidationError("the value of --config is empty: name a file, or omit it for \(AgentConfiguration.defaultPath)")
    }

    func run() throws {
        // Until the daemon handles it: a reload requested during the start has nothing to do, and must not end the
        // process.
        signal(SIGHUP, SIG_IGN)
        let sink = LogSink()
        defer { sink.flush() }
        LoggingSystem.bootstrap { SafeLogHandler(SinkLogHandler(label: $0, sink: sink)) }
        var logger = Logger(label: "acme-agentd")
        logger.logLevel = logLevel
        do {
            let daemon = try AgentDaemon(configurationFile: config, logger: logger)
            if checkConfig {
                print(daemon.summary)
                for warning in daemon.warnings { print("warning: \(warning)") }
                guard daemon.offEntries.isEmpty else { throw DaemonError(offEntries: daemon.offEntries) }
                print("the configuration is valid")
                return
            }
            if acceptAuditTrail {
                print(try daemon.acceptAuditTrail())
                return
            }
            try daemon.run()
        } catch {
            let error = DaemonError(error, configurationFile: config == AgentConfiguration.defaultPath ? nil : config)
            sink.flush()
            Daemon.report(error)
            throw ExitCode(error.exitCode)
        }
    }

    private static func report(_ error: DaemonError) {
        var text = "acme-agentd: error: \(error.message)\n"
        if let hint = error.hint { text += "acme-agentd: hint: \(hint)\n" }
        text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
