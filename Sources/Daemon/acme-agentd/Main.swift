import ACME
import AgentInterface
import AgentService
import ArgumentParser
import BuildInformation
import DaemonLog
import Glibc
import Logging
import PolicyInquiry

/// `acme-agentd`: the privileged agent. Assembly only.
@main
struct Daemon: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "acme-agentd",
        abstract: "Signs ACME requests, certificate requests and TLS handshakes with keys in a PKCS#11 token.",
        discussion: """
            Exit status: 0 stopped on request, 1 could not start, 2 refused (--explain), 64 usage error, 78 \
            configuration error.

            --explain takes one question about what a user may do, with --as USER and, for some, --directory and \
            --account. The questions are those of `acme-agent policy check`.
            """,
        version: "acme-agentd \(AgentVersion.current)", subcommands: [BackUp.self, Restore.self])

    /// `nil` for the default one: `restore` has another.
    @Option(name: .long, help: ArgumentHelp("Read this configuration. (default: \(AgentConfiguration.defaultPath))", valueName: "file"))
    var config: String?

    var configurationFile: String { config ?? AgentConfiguration.defaultPath }

    @Flag(name: .long, help: "Check the configuration, print what it means, and exit.")
    var checkConfig = false

    /// For the units. Unlike `--check-config` it takes entries that are off, as a start and a reload do.
    @Flag(name: .long, help: "Check whether a daemon would start with the configuration, print only what is wrong, and exit.")
    var checkStart = false

    @Flag(name: .long, help: "Accept an audit trail that was cut, removed or rewritten, record that in it, and exit.")
    var acceptAuditTrail = false

    @Flag(name: .long, help: "Explain what the configuration's policy decides about a request, and exit.")
    var explain = false

    @Flag(name: .long, help: "Print who may do what according to the configuration, and exit.")
    var matrix = false

    @Flag(name: .long, help: "With --explain and --matrix: print one JSON object.")
    var json = false

    @Option(
        name: [.customLong("directory"), .customLong("ca")], help: ArgumentHelp("The CA, by the URL of its directory.", valueName: "url"))
    var directory: String?

    @OptionGroup(title: "With --explain") var inquiry: InquiryOptions

    @Option(
        name: .long, help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"))
    var logLevel = Logger.Level.info

    /// Not the parser's own: it would end at `--version`, which prints text, and report errors in another form than the
    /// daemon does.
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        guard !BuildInformation.isWanted(by: arguments) else { return print(BuildInformation.current.json(program: "acme-agentd")) }
        do {
            var command = try parseAsRoot(Array(arguments))
            try command.run()
        } catch {
            end(error, json: arguments.contains("--json"))
        }
    }

    /// Ends the program. Help and the version are no failures, and an exit status says that all has been reported;
    /// everything else that the parser throws is wrong usage.
    private static func end(_ error: any Error, json: Bool) -> Never {
        guard exitCode(for: error) != .success, !(error is ExitCode) else { exit(withError: error) }
        let usage = fullMessage(for: error).split(separator: "\n").first { $0.hasPrefix("Usage: ") }
        let failure = DaemonError(usage: sentence(message(for: error)), hint: usage.map { "usage: \($0.dropFirst(7))" })
        report(failure, json: json)
        exit(withError: ExitCode(failure.exitCode))
    }

    /// The parser's sentence in this program's style: lower case, no full stop, one line. An option stays unchanged.
    private static func sentence(_ text: String) -> String {
        var line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        while line.hasSuffix(".") { line.removeLast() }
        guard let first = line.first, first.isUppercase, line.dropFirst().first?.isLowercase == true else { return line }
        return first.lowercased() + line.dropFirst()
    }

    func validate() throws {
        if config?.isEmpty == true {
            throw ValidationError("the value of --config is empty: name a file, or omit it for \(AgentConfiguration.defaultPath)")
        }
        guard actions.count(where: \.self) <= 1 else {
            throw ValidationError("\(Daemon.actionNames) cannot be combined")
        }
        if json, !explain, !matrix { throw ValidationError("--json has no effect without --explain or --matrix") }
        // Asked of a daemon that starts, a question would go unanswered.
        guard explain else {
            if inquiry.isGiven || directory != nil { throw ValidationError("a question needs --explain") }
            return
        }
        guard inquiry.isGiven else { throw ValidationError("no question: say what is to be done, for example --order www.example.org") }
        guard try inquiry.subject != nil else { throw ValidationError("about whom? --as USER") }
        if directory != nil, !inquiry.isAboutCA { throw ValidationError("the question is about no CA, so --directory has no effect") }
    }

    /// What is done instead of starting the daemon; one at most.
    private var actions: [Bool] { [checkConfig, checkStart, acceptAuditTrail, explain, matrix] }
    private static let actionNames = "--check-config, --check-start, --accept-audit-trail, --explain and --matrix"

    /// Called by subcommands: they have been given the daemon's options too.
    func refuseOwnActions() throws {
        guard !actions.contains(true) else { throw ValidationError("\(Daemon.actionNames) cannot be combined with a command") }
    }

    func run() throws {
        // Until the daemon handles it: a reload requested during the start has nothing to do, and must not end the
        // process.
        signal(SIGHUP, SIG_IGN)
        // What was asked for at a terminal, or by another program, is answered there.
        let journal = actions.contains(true) ? nil : JournalSocket.behind()
        let sink = LogSink(journal: journal)
        defer { sink.flush() }
        LoggingSystem.bootstrap { SafeLogHandler(SinkLogHandler(label: $0, sink: sink)) }
        var logger = Logger(label: "acme-agentd")
        logger.logLevel = logLevel
        do {
            // Before the configuration: what it names has secrets.
            try AgentDaemon.closeMemory()
            let daemon = try AgentDaemon(configurationFile: configurationFile, logger: logger)
            if checkConfig {
                print(daemon.summary)
                for warning in daemon.warnings { print("warning: \(warning)") }
                guard daemon.offEntries.isEmpty else { throw DaemonError(offEntries: daemon.offEntries) }
                print("the configuration is valid")
                return
            }
            if checkStart { return }
            if explain { return try explain(daemon) }
            if matrix { return print(matrix(daemon)) }
            if acceptAuditTrail {
                print(try daemon.acceptAuditTrail())
                return
            }
            try daemon.run()
        } catch let code as ExitCode {
            throw code
        } catch {
            let error = DaemonError(error, configurationFile: config == AgentConfiguration.defaultPath ? nil : config)
            if journal == nil {
                sink.flush()
                Daemon.report(error, json: json)
            } else {
                // Nothing else says it there.
                logger.logLevel = min(logLevel, DaemonEvent.startFailed.level)
                DaemonLogger(logger).log(.startFailed, error.message, [.error: error.message, .hint: error.hint ?? ""])
            }
            throw ExitCode(error.exitCode)
        }
    }

    /// Answers a question about the configuration.
    private func explain(_ daemon: AgentDaemon) throws {
        let answer: ExplanationText, explanation: DecisionExplanation
        do throws(InquiryError) {
            let subject = try inquiry.subject
            let found = try subject?.subject(AgentDaemon.subject)
            let url: ACMEURL?
            do { url = try directory.map { try ACMEURL($0) } } catch { throw InquiryError("--directory: \(error)") }
            let question = try inquiry.question(directory: url, subject: found)
            explanation = daemon.explain(question)
            answer = ExplanationText(explanation, of: question, subject: subject)
        } catch { throw DaemonError(usage: error.message, hint: error.hint) }
        print(json ? answer.json : answer.text)
        guard explanation.isAllowed else { throw ExitCode(Daemon.refused) }
    }

    private func matrix(_ daemon: AgentDaemon) -> String {
        let matrix = GrantMatrix(daemon.grants)
        return json ? matrix.json : matrix.text()
    }

    /// As of `acme-agent`.
    private static let refused: Int32 = 2

    /// - Parameter configurationFile: The file named on the command line, if it is not the default.
    static func reporting(_ configurationFile: String?, _ body: () throws -> Void) throws {
        do { try body() } catch {
            let error = DaemonError(error, configurationFile: configurationFile == AgentConfiguration.defaultPath ? nil : configurationFile)
            report(error, json: false)
            throw ExitCode(error.exitCode)
        }
    }

    /// - Parameter json: also as an object on standard output.
    private static func report(_ error: DaemonError, json: Bool) {
        if json { print(error.json) }
        var text = "acme-agentd: error: \(error.message)\n"
        if let hint = error.hint { text += "acme-agentd: hint: \(hint)\n" }
        text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
