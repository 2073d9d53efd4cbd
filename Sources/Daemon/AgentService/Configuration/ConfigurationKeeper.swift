import AgentInterface
import AuditTrail
import ConfigurationFile
import DaemonLog
import NIOCore

/// Holds the configuration in force, replaces it as a whole, and repeats lookups that found nothing.
///
/// Confined to one event loop. A change is recorded in the audit trail first; what cannot be recorded does not take
/// effect.
final class ConfigurationKeeper {
    /// The most bytes of a message for the trail and for callers: it may quote the file.
    private static let messageLimit = 1_000

    private(set) var current: LoadedConfiguration
    /// Why the last reload was refused; `nil` after one that was not.
    private(set) var reloadError: String?
    /// Sockets that could not get their group and mode. They are tried again like other entries that are off.
    private(set) var socketFaults: [OffEntry] = []

    private let gate: Gate
    private let tokens: TokenSet
    private let sockets: ListeningSockets
    private let desk: LookupDesk
    private let audit: AuditLog
    private let eventLoop: any EventLoop
    private let logger: DaemonLogger
    private var pace = RetryPace()
    private var retry: Scheduled<Void>?
    private var isStopped = false
    /// Called when entries went off or on between reloads.
    var onChange: (() -> Void)?
    /// Called when a reload has opened or closed sockets.
    var onSockets: ((ListeningSockets.Change) -> Void)?
    /// Connections that may wait to be accepted; 4,096 is also Linux's own limit (net.core.somaxconn).
    static let backlog: CInt = 4_096

    init(
        _ configuration: LoadedConfiguration, gate: Gate, tokens: TokenSet, sockets: ListeningSockets, desk: LookupDesk, audit: AuditLog,
        eventLoop: any EventLoop, logger: DaemonLogger
    ) {
        current = configuration
        self.gate = gate
        self.tokens = tokens
        self.sockets = sockets
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

    /// Only about grants that allow nothing at all: one that allows some of what it names may be intended.
    private func warn(_ configuration: LoadedConfiguration) {
        for warning in configuration.warnings where warning.lack.isAll { logger.log(.grantIneffective, "\(warning)") }
    }

    func stop() {
        isStopped = true
        desk.listen(nil)
        retry?.cancel()
    }

    /// What the trail says about the configuration with which the agent starts.
    var startDetail: String { ConfigurationKeeper.bounded("configuration \(current.digest)" + offText(current)) }

    // MARK: Reloading

    /// Applies a newly read configuration as a whole, or refuses it.
    func reload(_ read: Result<LoadedConfiguration, ConfigurationError>) {
        do throws(ConfigurationError) {
            let new = try read.get()
            try current.configuration.refuseWhatNeedsARestart(new.configuration)
            let change = try sockets.prepare(
                new.configuration.listeners, groups: new.socketGroups, file: new.configuration.file, backlog: ConfigurationKeeper.backlog)
            var record = AuditRecord(.event)
            record.operation = "reload"
            record.result = "done"
            record.detail = ConfigurationKeeper.bounded("configuration \(current.digest) -> \(new.digest)" + offText(new))
            do throws(AuditError) { _ = try audit.record(record) } catch {
                sockets.undo(change)
                throw ConfigurationError(
                    file: new.configuration.file, line: nil,
                    message: "it was not applied, because the audit trail cannot be written: \(error.description)")
            }
            current = new
            gate.rules = new.rules
            tokens.change(to: new.configuration.tokens)
            sockets.commit(change)
            settleSockets()
            onSockets?(change)
            pace = RetryPace()
            retryLater()
            reloadError = nil
            logger.log(.configurationReloaded, "configuration reloaded", [.sha256: new.digest, .off: "\(new.off.count)"])
            for entry in new.off { report(entry) }
            warn(new)
        } catch { refuse(error) }
    }

    private func refuse(_ error: ConfigurationError) {
        reloadError = ConfigurationKeeper.bounded(error.description + (error.hint.map { " (\($0))" } ?? ""))
        logger.log(
            .configurationRefused, "the configuration was not reloaded; the previous one stays in force",
            [.error: error.description, .hint: error.hint ?? ""])
        var record = AuditRecord(.event)
        record.operation = "reload"
        record.result = "refused"
        record.detail = reloadError
        do throws(AuditError) { _ = try audit.record(record) } catch {
            logger.log(
                .recordNotWritten, "a refused reload could not be written to the audit trail", [.what: "reload", .error: "\(error)"])
        }
    }

    // MARK: Entries that are off

    private func retryLater() {
        retry?.cancel()
        retry = nil
        guard !isStopped, isIncomplete else { return }
        retry = eventLoop.assumeIsolated().scheduleTask(in: pace.next()) {
            if !self.socketFaults.isEmpty {
                self.settleSockets()
                self.onChange?()
            }
            self.desk.ask(self.current.open)
            self.retryLater()
        }
    }

    /// Whether something is to be tried again.
    private var isIncomplete: Bool { !current.open.isEmpty || !socketFaults.isEmpty }

    private func received(_ lookup: Lookup, _ answer: LookupAnswer) {
        guard !isStopped, current.open.contains(lookup) else { return }
        // The text was valid when it was read, and an answer does not change it.
        guard let new = try? current.answered(lookup, answer) else { return }
        let still = Set(new.off.map(\.entry))
        let on = current.off.filter { !still.contains($0.entry) }
        if !on.isEmpty {
            var record = AuditRecord(.event)
            record.operation = "configuration-entry"
            record.result = "on"
            record.detail = ConfigurationKeeper.bounded(on.map { Self.text($0, in: new) }.joined(separator: "; "))
            do throws(AuditError) { _ = try audit.record(record) } catch {
                // The timer asks again.
                return logger.log(
                    .recordNotWritten, "an entry stays off, because the audit trail cannot be written",
                    [.what: "configuration-entry", .error: "\(error)"])
            }
        }
        let former = current
        current = new
        gate.rules = new.rules
        for entry in on {
            logger.log(.entryOn, "an entry of the configuration is on", [.entry: Self.text(entry, in: new)])
        }
        for entry in new.off where !former.off.contains(entry) { report(entry) }
        settleSockets()
        onChange?()
        if !isIncomplete {
            retry?.cancel()
            retry = nil
        }
    }

    private func report(_ entry: OffEntry) {
        logger.log(
            .entryOff, "an entry of the configuration is off",
            [
                .entry: entry.entry, .line: entry.line.map { "\($0)" } ?? "-", .why: entry.message,
                .hint: "the agent looks for it again and switches the entry on by itself",
            ])
    }

    /// Gives the sockets the groups and modes of the configuration in force.
    private func settleSockets() {
        let former = socketFaults
        socketFaults = sockets.settle(groups: current.socketGroups)
        for fault in socketFaults where !former.contains(fault) {
            logger.log(
                .socketOff, "a socket could not get its group and mode; the agent tries again",
                [.entry: fault.entry, .error: fault.message])
        }
        if socketFaults.isEmpty, !former.isEmpty { logger.log(.socketsOn, "all sockets have their groups and modes") }
    }

    private func offText(_ configuration: LoadedConfiguration) -> String {
        configuration.off.isEmpty ? "" : "; off: " + configuration.off.map(\.entry).joined(separator: ", ")
    }

    private static func text(_ entry: OffEntry, in configuration: LoadedConfiguration) -> String {
        let numbers = configuration.numbers(of: entry)
        return numbers.isEmpty ? entry.entry : entry.entry + ": " + numbers.joined(separator: ", ")
    }

    private static func bounded(_ text: String) -> String {
        text.utf8.count <= messageLimit ? text : String(text.unicodeScalars.prefix(messageLimit / 4)) + "…"
    }
}

extension AgentConfiguration {
    /// Refuses changes to settings that the running daemon depends on.
    /// - Throws: `ConfigurationError` at the setting that differs.
    fileprivate func refuseWhatNeedsARestart(_ new: AgentConfiguration) throws(ConfigurationError) {
        for (key, isSame) in [
            ("state-directory", stateDirectory == new.stateDirectory), ("file", auditFile == new.auditFile),
            ("helper", helper == new.helper), ("mebibytes-per-user", mebibytesPerUser == new.mebibytesPerUser),
            ("mebibytes", mebibytes == new.mebibytes),
        ] where !isSame {
            throw new.error(
                at: key, "differs from the running agent's value, and cannot be changed by a reload",
                hint: "restore the previous value, or restart: systemctl restart acme-agentd")
        }
    }
}
