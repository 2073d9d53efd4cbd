import AgentInterface
import AuditTrail
import ConfigurationFile
import Logging
import NIOCore

/// Holds the configuration in force, puts another in its place whole, and looks again for what its entries name and was not there.
///
/// Confined to one event loop. What it puts in force is written into the audit trail first; what cannot be written is not put in force.
final class ConfigurationKeeper {
    /// Bytes of a message that go into the trail and to callers: it may quote the file.
    private static let messageLimit = 1_000

    private(set) var current: LoadedConfiguration
    /// Why the last reload was refused; `nil` once one was not.
    private(set) var reloadError: String?

    private let gate: Gate
    private let tokens: TokenSet
    private let desk: LookupDesk
    private let audit: AuditLog
    private let eventLoop: any EventLoop
    private let logger: Logger
    private var pace = RetryPace()
    private var retry: Scheduled<Void>?
    private var isStopped = false
    /// Told what the socket's group is, when it is found later than the socket was made.
    var onSocketGroup: ((UInt32) -> Void)?

    init(
        _ configuration: LoadedConfiguration, gate: Gate, tokens: TokenSet, desk: LookupDesk, audit: AuditLog, eventLoop: any EventLoop,
        logger: Logger
    ) {
        current = configuration
        self.gate = gate
        self.tokens = tokens
        self.desk = desk
        self.audit = audit
        self.eventLoop = eventLoop
        self.logger = logger
    }

    func start() {
        let keeper = NIOLoopBound(self, eventLoop: eventLoop)
        desk.listen { [eventLoop] lookup, answer in eventLoop.execute { keeper.value.received(lookup, answer) } }
        for entry in current.off { report(entry) }
        warn(current)
        retryLater()
    }

    /// Of grants that allow nothing at all: one that allows some of what it names may be meant so.
    private func warn(_ configuration: LoadedConfiguration) {
        for warning in configuration.warnings where warning.lack.isAll { logger.warning("\(warning)") }
    }

    func stop() {
        isStopped = true
        desk.listen(nil)
        retry?.cancel()
    }

    /// What the trail says of the configuration with which the agent starts.
    var startDetail: String { ConfigurationKeeper.bounded("configuration \(current.digest)" + offText(current)) }

    // MARK: Reloading

    /// Takes a configuration that was read anew, whole, or refuses it.
    func reload(_ read: Result<LoadedConfiguration, ConfigurationError>) {
        do throws(ConfigurationError) {
            let new = try read.get()
            try current.configuration.refuseWhatNeedsARestart(new.configuration)
            var record = AuditRecord(.event)
            record.operation = "reload"
            record.result = "done"
            record.detail = ConfigurationKeeper.bounded("configuration \(current.digest) -> \(new.digest)" + offText(new))
            do throws(AuditError) { _ = try audit.record(record) } catch {
                throw ConfigurationError(
                    file: new.configuration.file, line: nil,
                    message: "it was not taken, since the audit trail cannot be written: \(error.description)")
            }
            install(new)
            reloadError = nil
            logger.notice("configuration reloaded", metadata: ["sha256": "\(new.digest)", "off": "\(new.off.count)"])
            for entry in new.off { report(entry) }
            warn(new)
        } catch { refuse(error) }
    }

    private func install(_ new: LoadedConfiguration) {
        current = new
        gate.rules = new.rules
        tokens.change(to: new.configuration.tokens)
        pace = RetryPace()
        retryLater()
    }

    private func refuse(_ error: ConfigurationError) {
        reloadError = ConfigurationKeeper.bounded(error.description + (error.hint.map { " (\($0))" } ?? ""))
        logger.error(
            "the configuration was not reloaded, the former one stays in force",
            metadata: ["error": "\(error.description)", "hint": "\(error.hint ?? "")"])
        var record = AuditRecord(.event)
        record.operation = "reload"
        record.result = "refused"
        record.detail = reloadError
        do throws(AuditError) { _ = try audit.record(record) } catch {
            logger.error("a refused reload could not be written to the audit trail", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Entries that are off

    private func retryLater() {
        retry?.cancel()
        retry = nil
        guard !isStopped, !current.open.isEmpty else { return }
        retry = eventLoop.assumeIsolated().scheduleTask(in: pace.next()) {
            self.desk.ask(self.current.open)
            self.retryLater()
        }
    }

    private func received(_ lookup: Lookup, _ answer: LookupAnswer) {
        guard !isStopped, current.open.contains(lookup) else { return }
        // The text was right when it was read, and an answer does not change it.
        guard let new = try? current.answered(lookup, answer) else { return }
        let still = Set(new.off.map(\.entry))
        let on = current.off.filter { !still.contains($0.entry) }
        if !on.isEmpty {
            var record = AuditRecord(.event)
            record.operation = "configuration-entry"
            record.result = "on"
            record.detail = ConfigurationKeeper.bounded(
                on.map(\.entry).joined(separator: ", ") + (lookup.numberText(answer).map { ": \($0)" } ?? ""))
            do throws(AuditError) { _ = try audit.record(record) } catch {
                // Asked about again by the timer.
                return logger.error("an entry stays off, since the audit trail cannot be written", metadata: ["error": "\(error)"])
            }
        }
        let former = current
        current = new
        gate.rules = new.rules
        for entry in on {
            logger.notice(
                "an entry of the configuration is on",
                metadata: ["entry": "\(entry.entry)", "is": "\(lookup.numberText(answer) ?? "found")"])
        }
        for entry in new.off where !former.off.contains(entry) { report(entry) }
        if former.socketGroup == nil, let group = new.socketGroup { onSocketGroup?(group) }
        if new.open.isEmpty {
            retry?.cancel()
            retry = nil
        }
    }

    private func report(_ entry: OffEntry) {
        logger.error(
            "an entry of the configuration is off",
            metadata: [
                "entry": "\(entry.entry)", "line": "\(entry.line.map { "\($0)" } ?? "-")", "why": "\(entry.message)",
                "hint": "it is looked for again and comes on by itself",
            ])
    }

    private func offText(_ configuration: LoadedConfiguration) -> String {
        configuration.off.isEmpty ? "" : "; off: " + configuration.off.map(\.entry).joined(separator: ", ")
    }

    private static func bounded(_ text: String) -> String {
        text.utf8.count <= messageLimit ? text : String(text.unicodeScalars.prefix(messageLimit / 4)) + "…"
    }
}

extension Lookup {
    /// Which number a name got, for log and trail: an auditor has to know whom a grant was for.
    fileprivate func numberText(_ answer: LookupAnswer) -> String? {
        guard case .number(let number) = answer else { return nil }
        switch self {
        case .user(let name): return "user \"\(name)\" is uid \(number)"
        case .group(let name): return "group \"\(name)\" is gid \(number)"
        case .account: return nil
        }
    }
}

extension AgentConfiguration {
    /// Settings that the running daemon has built upon.
    /// - Throws: `ConfigurationError` at the setting that differs.
    fileprivate func refuseWhatNeedsARestart(_ new: AgentConfiguration) throws(ConfigurationError) {
        for (key, isSame) in [
            ("socket", socket == new.socket), ("socket-mode", socketMode == new.socketMode),
            ("socket-group", socketGroup == new.socketGroup),
            ("state-directory", stateDirectory == new.stateDirectory), ("file", auditFile == new.auditFile),
            ("helper", helper == new.helper), ("mebibytes-per-user", mebibytesPerUser == new.mebibytesPerUser),
            ("mebibytes", mebibytes == new.mebibytes),
        ] where !isSame {
            throw new.error(
                at: key, "is not the value that the running agent has, and cannot be changed by a reload",
                hint: "put the former value back, or restart: systemctl restart acme-agentd")
        }
    }
}
