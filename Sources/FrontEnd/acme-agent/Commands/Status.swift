import ACME
import AgentInterface
import ArgumentParser
import CertificateStore
import StrictJSON

struct Status: AgentCommand {
    static let stateUse = StateUse.read
    static let configuration = CommandConfiguration(
        abstract: "Show the agent's state, how it identifies you and what you may do.",
        discussion: """
            The exit status is 3 if the agent is not reachable, a token is not available or the audit trail cannot be \
            written. With --check it is 6 if something else needs attention, here or in the agent's configuration.
            With --watch it shows all of this again every 5 seconds, or every SECONDS, until you press Ctrl-C: on a \
            terminal in place of what was there before, elsewhere one after the other (with --json an object a line).

            Example: acme-agent status --check
            """)

    @Flag(help: "Exit with 6 if something needs attention.")
    var check = false

    @Flag(help: "Show it again and again.")
    var watch = false

    @Argument(help: ArgumentHelp("With --watch: from one time to the next. (default: \(Self.usualPause))", valueName: "seconds"))
    var seconds: Int?

    private static let usualPause = 5
    /// An agent that answers from memory is not hurt by that; a day is longer than anybody watches.
    private static let pauses = 1...86_400

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if watch, check { throw ValidationError("--check has no effect with --watch") }
        if seconds != nil, !watch { throw ValidationError("a number of seconds has no effect without --watch") }
        if let seconds, !Self.pauses.contains(seconds) {
            throw ValidationError("--watch takes from \(Self.pauses.lowerBound) to \(Self.pauses.upperBound) seconds")
        }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        guard watch else { return try await show(session) }
        // Until a signal ends it; there is nothing to remove.
        while true {
            // Read again each time: what a person mends counts at once.
            var now = session
            do {
                now = Session(settings: try Settings(options, environment: Environment.current()), output: session.output)
                _ = try await show(now, isRedrawn: Output.isStandardOutputTerminal && !session.output.isJSON)
            } catch let closed as OutputClosed { throw closed } catch {
                let failure = Failure(error)
                if session.output.isJSON {
                    try session.output.result("") { json in
                        json.name("error")
                        failure.with(session.output.given).write(to: &json)
                    }
                } else {
                    if Output.isStandardOutputTerminal { try session.output.write(Array(Self.clear.utf8)) }
                    session.output.report(failure, json: false)
                }
                if failure.code == "output" { return failure.exitStatus }
            }
            try await Task.sleep(for: .seconds(seconds ?? Self.usualPause))
        }
    }

    /// To the first row and column, and nothing on the terminal (ECMA-48: CUP, ED).
    private static let clear = "\u{1B}[H\u{1B}[2J"

    private func show(_ session: Session, isRedrawn: Bool = false) async throws -> ExitStatus {
        let status = try await session.agent().status()
        let settings = session.settings
        var account: StoredAccount?, own: [String] = []
        do throws(StoreError) { account = try await session.store.account(at: settings.directory) } catch {
            own.append("account: \(error)" + (error.hint.map { " (\($0))" } ?? ""))
        }
        let contents = try await StoreContents(session)
        own += contents.attention()
        own += await PersistAttention.lines(contents, session)
        own += await RootDeployState.attention(contents, session)
        let count = contents.reports.count + contents.damaged.count
        let certificates =
            "\(count) in \(settings.stateDirectory)" + (contents.nextExpiry().map { "; \($0)" } ?? "")
            + (contents.awaited.isEmpty ? "" : "; awaited: \(Wording.list(contents.awaited.map(\.name.rawValue)))")
            + contents.unlooked(settings.checksRevocationLists)
        if account?.isDeactivated == true {
            let register = session.output.given.added(to: "acme-agent account register --agree-tos --key NAME")
            own.append("account: deactivated (\(register) registers another one)")
        }
        let none = session.output.given.added(to: "none yet: acme-agent account register --agree-tos")
        let clear = isRedrawn ? Self.clear : ""
        try session.output.result(
            clear + text(status, settings, account: account?.url?.text ?? none, certificates: certificates, attention: own)
        ) {
            json in
            json.name("agent")
            json.beginObject()
            status.writeMembers(to: &json)
            json.endObject()
            json.name("client")
            json.beginObject()
            json.member("version", Version.number)
            json.member("configurationFile", ifPresent: settings.file)
            json.member("socket", settings.socket)
            json.member("ca", ifPresent: settings.ca.name)
            json.member("directory", settings.directory.text)
            json.member("stateDirectory", settings.stateDirectory)
            json.member("account", ifPresent: account?.url?.text)
            json.member("certificateCount", count)
            if !contents.awaited.isEmpty { json.member("awaited", contents.awaited.map(\.name.rawValue)) }
            json.member("attention", own)
            json.endObject()
        }
        if status.tokens.contains(where: { $0.state == .unavailable }) || !isWritten(status) { return .agentUnavailable }
        return check && !(own.isEmpty && Status.attention(status).isEmpty) ? .attention : .success
    }

    /// Whether the audit trail can be written; `true` if this caller is not told.
    private func isWritten(_ status: AgentStatus) -> Bool { ["writable", ""].contains(status.auditState) }

    private func text(
        _ status: AgentStatus, _ settings: Settings, account: String, certificates: String, attention: [String]
    ) -> String {
        var list = FieldList()
        list.add("agent", "acme-agentd \(status.version) on \(settings.socket)")
        list.add(
            "you are",
            "user \(status.user), " + Wording.count(status.groups.count, "group")
                + ": \(Wording.list(status.groups.map { "\($0)" }, limit: 32))")
        list.add("tokens", status.tokens.flatMap(Status.lines))
        list.add("you may", status.grants.isEmpty ? [Status.nothing(status)] : status.grants.map(Status.line))
        list.add("external accounts", status.externalAccounts)
        if !status.serverKeyExchangeKeys.isEmpty {
            list.add("TLS 1.2", "a grant allows it with " + Wording.list(status.serverKeyExchangeKeys, limit: 8))
        }
        if let configuration = status.configuration {
            list.add("agent's configuration", "read at \(configuration.loaded), SHA-256 \(configuration.sha256)")
        }
        list.add("needs attention", Status.attention(status) + attention, .alarm)
        if !status.auditState.isEmpty {
            let hint = isWritten(status) ? "" : " (nothing is signed; operations.md says what to do)"
            list.add("audit trail", "\(status.auditState), last record \(status.auditSequence)\(hint)")
        }
        list.add("configuration", settings.file ?? "none: defaults")
        list.add("CA", settings.ca.text)
        list.add("account", account)
        list.add("certificates", certificates)
        return list.text(for: .standardOutput)
    }

    /// Why nothing is granted: no grant names the caller, or a grant is off.
    static func nothing(_ status: AgentStatus) -> String {
        let isOff = status.problems.contains { ["grant", "grants"].contains($0.what) }
        return isOff ? "nothing: grants are off, see below" : "nothing: no grant of the policy names you"
    }

    static func line(_ problem: ProblemStatus) -> String {
        problem.name.isEmpty ? "\(problem.what): \(problem.message)" : "\(problem.what) \(problem.name): \(problem.message)"
    }

    private static func lines(_ token: TokenStatus) -> [String] {
        let what = [token.label.map { "\"\($0)\"" }, token.model].compactMap(\.self).joined(separator: ", ")
        let restarts = token.restarts > 0 ? ", its helper was restarted " + Wording.count(token.restarts, "time") : ""
        var lines = ["\(token.name): \(token.state.rawValue)" + (what.isEmpty ? "" : " (\(what))") + restarts]
        if let message = token.message { lines.append("  \(message)" + (token.reason.map { " (\($0))" } ?? "")) }
        if let hint = token.hint { lines.append("  hint: \(hint)") }
        return lines
    }

    /// The parts of the configuration that are off, and the keys that are off or weak.
    static func attention(_ status: AgentStatus) -> [String] {
        // A caller that sees all entries sees the grants that name it among them.
        let entries = Set(status.configuration?.entries.map(\.entry) ?? [])
        let problems = status.problems.filter { $0.what != "grant" || !entries.contains("grant \"\($0.name)\"") }
        return (status.configuration.map(lines) ?? []) + problems.map { line($0) }
    }

    private static func lines(_ configuration: ConfigurationStatus) -> [String] {
        var lines: [String] = []
        if let error = configuration.reloadError { lines.append("the last reload was refused: \(error)") }
        if configuration.off > 0, configuration.entries.isEmpty {
            lines.append(Wording.count(configuration.off, "entry", plural: "entries") + " off: the agent's log says which")
        }
        for entry in configuration.entries {
            lines.append("\(entry.entry)" + (entry.line.map { " (line \($0))" } ?? "") + " is off: \(entry.message)")
        }
        return lines
    }

    static func line(_ grant: GrantStatus) -> String {
        let operations = grant.keys.isEmpty ? grant.operations.filter { Operation(rawValue: $0)?.isAboutKeys == false } : grant.operations
        guard !operations.isEmpty else {
            return "\(grant.name): nothing, since it lists no \(grant.keys.isEmpty ? "keys" : "operations")"
        }
        guard !grant.keys.isEmpty else { return "\(grant.name): \(operations.joined(separator: " "))" }
        var parts = ["\(grant.name): \(operations.joined(separator: " ")) with keys \(grant.keys.joined(separator: " "))"]
        if !grant.identifiers.isEmpty { parts.append("for \(grant.identifiers.joined(separator: " "))") }
        if grant.wildcards { parts.append("and wildcards") }
        if !grant.cas.isEmpty { parts.append("at \(grant.cas.joined(separator: " "))") }
        if !grant.externalAccounts.isEmpty { parts.append("with external account \(grant.externalAccounts.joined(separator: " "))") }
        let rates = grant.rates.map(\.description)
        let limits = rates.isEmpty ? "" : "; at most " + rates.joined(separator: "; ")
        return parts.joined(separator: " ") + limits
    }
}
