import ACME
import AuditTrail
import CLinux
import ConfigurationFile
import DaemonLog
import Dispatch
import DurableFile
import Glibc
import Keyring
import Logging
import NIOCore
import NIOPosix
import SigningPolicy
import Synchronization
import TokenProtocol
import TokenSupervisor
import Varlink

/// Assembles the daemon from configuration, helpers, audit trail, keys, service and socket, and shuts it down.
public final class AgentDaemon: Sendable {
    /// How long calls in flight may still take when the daemon is told to stop.
    private static let stopTime = TimeAmount.seconds(5)

    /// Seconds that the lookup of users, groups and secrets may delay the start or a reload; what is found later takes
    /// effect later.
    private static let lookupPatience = 5.0

    let loaded: LoadedConfiguration
    private let desk: LookupDesk
    private let logger: DaemonLogger
    private var configuration: AgentConfiguration { loaded.configuration }

    /// Reads and checks the configuration, and looks up what it names.
    /// - Throws: `ConfigurationError` with file and line.
    public convenience init(configurationFile path: String, logger: Logger) throws(ConfigurationError) {
        try self.init(configurationFile: path, logger: logger, desk: LookupDesk())
    }

    init(configurationFile path: String, logger: Logger, desk: LookupDesk) throws(ConfigurationError) {
        loaded = try LoadedConfiguration.read(path, desk: desk, patience: AgentDaemon.lookupPatience)
        self.desk = desk
        self.logger = DaemonLogger(logger)
    }

    /// Entries that are off because what they name was not found: one line each, for `--check-config`.
    public var offEntries: [String] { loaded.off.map { "\(configuration.file): \($0)" } }

    /// Grants that give nothing or less than they seem to, or a note that there are none, and folders that cannot be
    /// used: one line each, for `--check-config`.
    public var warnings: [String] {
        let sockets = Set(configuration.listeners.map { DurableFile.parent(of: $0.path) }).sorted()
        let folders =
            (sockets.map { ("the socket's folder", $0) } + [
                ("the state directory", configuration.stateDirectory),
                ("the audit trail's folder", DurableFile.parent(of: configuration.auditFile)),
            ]).compactMap { what, path in FolderCheck.fault(path).map { "\(what): \($0)" } }
        guard !configuration.grants.isEmpty else {
            return ["\(configuration.file): there is no [[grant]], so the agent signs nothing"] + folders
        }
        return loaded.warnings.map { "\(configuration.file): \($0)" } + unmappedUser + folders
    }

    /// A grant for the user whom the agent never serves.
    private var unmappedUser: [String] {
        loaded.rules.policy.grants.filter { $0.peers.contains(.user(Peer.unmapped)) }.map {
            "\(configuration.file): grant \"\($0.name)\" names uid \(Peer.unmapped) (nobody), which the agent always refuses"
        }
    }

    /// A summary of the configuration, for `--check-config`.
    public var summary: String {
        let tokens = configuration.tokens.map(\.name).joined(separator: ", ")
        return """
            configuration: \(configuration.file)
            \(configuration.listeners.map { "socket: \($0.path)" }.joined(separator: "\n"))
            state: \(configuration.stateDirectory)
            audit trail: \(configuration.auditFile)
            tokens: \(tokens)

            """ + GrantSummary.all(configuration.grants).joined(separator: "\n")
    }

    /// Makes this process undumpable, and thus its memory unreadable for other processes of its user: the daemon has MAC
    /// keys in it as soon as it has read its configuration.
    /// - Throws: `DaemonError` if the system refuses.
    public static func closeMemory() throws(DaemonError) {
        let code = clinux_make_undumpable()
        guard code == 0 else { throw DaemonError(openMemory: code) }
    }

    /// Runs until SIGTERM or SIGINT; SIGHUP reloads the configuration. Helpers start once the trail and the keys are
    /// open; the socket appears only when everything else is ready.
    /// - Throws: The reason why the daemon cannot start.
    public func run() throws { try run(keepsAudit: true) }

    /// Runs without an audit trail: for the benchmark, which measures what the trail costs. The daemon program cannot
    /// call it.
    package func runUnrecorded() throws { try run(keepsAudit: false) }

    private func run(keepsAudit: Bool, latency: VarlinkLatency? = nil) throws {
        AgentDaemon.ignoreSignals()
        let signals = DaemonSignals()
        let passed = try PassedSockets.fromEnvironment()
        try run(
            launcher: ProcessLauncher(path: configuration.helper ?? AgentDaemon.helperBeside()), passed: passed,
            manager: .fromEnvironment(),
            keepsAudit: keepsAudit, latency: latency
        ) {
            signals.next()
        }
    }

    /// Runs and measures calls inside the daemon, for the benchmark. SIGUSR2 writes what was measured since the last
    /// one to a file: one line `USER CALLS P50 P99 P99.9 LONGEST` for each user, times in nanoseconds, and `end` as the
    /// last line.
    package func runMeasured(writingTo file: String) throws {
        signal(SIGUSR2, SIG_IGN)
        let latency = VarlinkLatency()
        let source = DispatchSource.makeSignalSource(signal: SIGUSR2, queue: DispatchQueue(label: "measurement"))
        source.setEventHandler {
            var text = latency.summaries.map { "\($0.user) \($0.calls) \($0.p50) \($0.p99) \($0.p999) \($0.longest)\n" }.joined()
            text += "end\n"
            latency.reset()
            try? DurableFile.replace(file, with: Array(text.utf8), mode: 0o600)
        }
        source.resume()
        defer { source.cancel() }
        try run(keepsAudit: true, latency: latency)
    }

    /// A write to a pipe without a reader, or beyond the file size limit, must fail with an error: the batch is then
    /// undone.
    private static func ignoreSignals() {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Runs until `next` says to stop; `launcher` starts the helpers.
    /// - Parameters:
    ///   - passed: Sockets that systemd has opened.
    ///   - manager: Is told what state the daemon is in.
    ///   - changeGroup: Gives a socket to a group.
    ///   - latency: Records the time of calls.
    func run(
        launcher: any HelperLauncher, passed: PassedSockets = .none, manager: ServiceManager = .none,
        changeGroup: @escaping SocketPath.ChangeGroup = SocketPath.changeGroup, keepsAudit: Bool = true, latency: VarlinkLatency? = nil,
        until next: () -> DaemonCommand
    ) throws {
        try AgentDaemon.closeMemory()
        // SCHED_BATCH keeps wake-ups from pre-empting the signers (Docs/decisions/0005-sched-batch.md). Without it they
        // are slower, and nothing else.
        _ = clinux_batch_scheduling()
        // It gets the PIN. The one beside this program is as trustworthy as this program.
        if let helper = configuration.helper { try TrustedWay(to: helper).check(as: .configuration) }
        let sockets = try ListeningSockets(configuration.listeners, passed: passed, changeGroup: changeGroup)
        defer { sockets.release() }
        let rounds = LoopRounds()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1, metricsDelegate: rounds)
        // Long calls are read and composed on this thread, so that none of them blocks the loop.
        let long = TurnThread()
        let disk = NIOThreadPool(numberOfThreads: 1)
        disk.start()
        // Its own thread: a reader takes seconds to find its place in a long trail, and no signature may wait for that.
        let reading = NIOThreadPool(numberOfThreads: 1)
        reading.start()
        defer {
            try? long.stop()
            try? reading.syncShutdownGracefully()
            try? disk.syncShutdownGracefully()
            try? group.syncShutdownGracefully()
        }
        let loop = group.next()
        let parts = try loop.submit {
            let parts = try self.assemble(sockets, manager, loop, disk, reading, long, launcher, keepsAudit)
            parts.rounds = rounds
            parts.latency = latency
            return NIOLoopBound(parts, eventLoop: loop)
        }.wait()
        do { try loop.flatSubmit { parts.value.start() }.wait() } catch {
            try? loop.flatSubmit { parts.value.stop(within: AgentDaemon.stopTime) }.wait()
            throw error
        }
        logger.log(
            .daemonReady, "ready",
            [
                .version: AgentVersion.current, .socket: configuration.listeners.map(\.path).joined(separator: ", "),
                .grants: "\(loaded.rules.policy.grants.count)", .token: configuration.tokens.map(\.name).joined(separator: ", "),
            ])
        manager.notify("READY=1")
        while case .reload = next() { try reload(parts, manager, loop) }
        manager.notify("STOPPING=1")
        logger.log(.daemonStopping, "stopping")
        sockets.remove()
        try loop.flatSubmit { parts.value.stop(within: AgentDaemon.stopTime) }.wait()
    }

    /// Reads and checks the configuration here, off the loop; the loop takes it in one step.
    private func reload(_ parts: NIOLoopBound<Parts>, _ manager: ServiceManager, _ loop: any EventLoop) throws {
        var moment = timespec()
        clock_gettime(CLOCK_MONOTONIC, &moment)
        manager.notify("RELOADING=1\nMONOTONIC_USEC=\(Int64(moment.tv_sec) &* 1_000_000 &+ Int64(moment.tv_nsec) / 1_000)")
        let result: Result<LoadedConfiguration, ConfigurationError>
        do throws(ConfigurationError) {
            result = .success(try LoadedConfiguration.read(configuration.file, desk: desk, patience: AgentDaemon.lookupPatience))
        } catch { result = .failure(error) }
        try loop.submit {
            parts.value.configuration.reload(result)
            parts.value.report.show()
        }.wait()
        manager.notify("READY=1")
    }

    private func assemble(
        _ sockets: ListeningSockets, _ manager: ServiceManager, _ loop: any EventLoop, _ disk: NIOThreadPool, _ reading: NIOThreadPool,
        _ long: TurnThread, _ launcher: any HelperLauncher, _ keepsAudit: Bool
    ) throws -> Parts {
        let limit = DescriptorShares.raisedLimit(), pools = configuration.tokens.map(\.pool)
        let warning = DescriptorShares.warning(
            connections: configuration.connections, perUser: configuration.connectionsPerUser, limit: limit, pools: pools)
        if let warning { logger.log(.connectionsLowered, "fewer connections than configured", [.why: warning]) }
        try DurableFile.createFolder(configuration.stateDirectory, mode: 0o700)
        // A user who can write to it could give keys names, and erase the record of tried PINs.
        _ = try Folder.open(configuration.stateDirectory, as: .configuration)
        let metrics = ServiceMetrics()
        let tokens = TokenSet(configuration.tokens, launcher: launcher, eventLoop: loop, metrics: metrics, logger: logger)
        try DurableFile.createFolder(DurableFile.parent(of: configuration.auditFile), mode: 0o700)
        let report = ServiceReport(manager: manager, eventLoop: loop)
        let reported = NIOLoopBound(report, eventLoop: loop)
        let audit =
            try keepsAudit ? openAudit { loop.execute { reported.value.changed() } } : AuditLog(keepingNothingAt: configuration.auditFile)
        let folder = try KeyFolder(path: configuration.stateDirectory + "/keys")
        let pipeline = SigningPipeline(
            eventLoop: loop, audit: audit, tokens: tokens, metrics: metrics, logger: logger)
        let gate = Gate(
            rules: loaded.rules, refusals: RefusalLog(audit: audit, eventLoop: loop, metrics: metrics, logger: logger),
            rates: try RateKeeper(file: configuration.stateDirectory + "/rates", disk: disk, eventLoop: loop, logger: logger))
        let keys = KeyAdministration(
            eventLoop: loop, folder: folder, contents: try folder.contents(), disk: disk, audit: audit, tokens: tokens,
            metrics: metrics, logger: logger)
        let keeper = ConfigurationKeeper(
            loaded, gate: gate, tokens: tokens, sockets: sockets, desk: desk, audit: audit, eventLoop: loop, logger: logger)
        let service = try AgentService(
            eventLoop: loop, gate: gate, audit: audit, tokens: tokens,
            pipeline: pipeline, keys: keys,
            trail: AuditReading(path: configuration.auditFile, eventLoop: loop, disk: reading, logger: logger),
            long: long, configuration: keeper, descriptors: DescriptorShares.room(limit: limit, pools: pools), metrics: metrics,
            logger: logger)
        report.line = { [unowned service] in service.summary }
        tokens.onChange = { [unowned report] in report.changed() }
        keeper.onChange = { [unowned report] in report.changed() }
        return Parts(
            service: service, audit: audit, sockets: sockets, configuration: keeper, report: report,
            bytes: (configuration.mebibytesPerUser, configuration.mebibytes),
            loop: loop, logger: logger)
    }

    /// The trail's end is remembered in the state folder, which is often on another file system: a trail whose disk is
    /// not mounted is noticed too.
    private var auditMemory: String { configuration.stateDirectory + "/audit-head" }

    /// - Parameter changed: Called on the trail's own thread when its state has changed.
    private func openAudit(_ changed: @escaping @Sendable () -> Void) throws(AuditError) -> AuditLog {
        try AuditLog(path: configuration.auditFile, memory: auditMemory) { [logger] notice in
            logger.log(notice)
            changed()
        }
    }

    /// Accepts an audit trail that differs from what was remembered, and records that in it. The daemon must not be
    /// running.
    /// - Returns: What was accepted, as a sentence.
    /// - Throws: The reason why the trail cannot be opened, or `FileError` if this user is not the agent's.
    public func acceptAuditTrail() throws -> String {
        var status = stat()
        guard stat(configuration.stateDirectory, &status) == 0 else {
            throw FileError(path: configuration.stateDirectory, call: "stat", code: errno)
        }
        // The agent's user could not open what root creates here.
        guard status.st_uid == geteuid() else { throw FileError(path: configuration.stateDirectory, call: "own", code: EPERM) }
        // Not while a daemon runs: it may still write to the trail that seems to be missing.
        var locks: [FileLock] = []
        defer { for lock in locks { lock.release() } }
        for listener in configuration.listeners {
            if let lock = try SocketPath.lockIfThere(listener.path) { locks.append(lock) }
        }
        // It may have been lost with the trail.
        try DurableFile.createFolder(DurableFile.parent(of: configuration.auditFile), mode: 0o700)
        let accepted = try AuditLog.accept(path: configuration.auditFile, memory: auditMemory)
        return accepted ?? "the audit trail matches what was remembered: there is nothing to accept"
    }

    /// `acme-agent-token` in the folder of this program.
    private static func helperBeside() -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let own = count > 0 ? String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : "/"
        return DurableFile.parent(of: own) + "/acme-agent-token"
    }
}

/// What lives on the event loop.
private final class Parts {
    private let service: AgentService
    private let audit: AuditLog
    private let sockets: ListeningSockets
    let configuration: ConfigurationKeeper
    let report: ServiceReport
    private let loop: any EventLoop
    private let logger: DaemonLogger
    /// Memory of messages and answers, in MiB.
    private let mebibytes: (perUser: Int, all: Int)
    private var server: VarlinkServer<AgentService>?
    private var connectionNumber: UInt64 = 0
    /// Counts the loop's rounds.
    var rounds: LoopRounds?
    /// Records the time of calls, for the benchmark.
    var latency: VarlinkLatency?

    init(
        service: AgentService, audit: AuditLog, sockets: ListeningSockets, configuration: ConfigurationKeeper,
        report: ServiceReport, bytes: (perUser: Int, all: Int), loop: any EventLoop, logger: DaemonLogger
    ) {
        self.service = service
        self.audit = audit
        self.sockets = sockets
        self.configuration = configuration
        self.report = report
        self.mebibytes = bytes
        self.loop = loop
        self.logger = logger
    }

    func start() -> EventLoopFuture<Void> {
        service.tokens.onReady = { [keys = service.keys] name, supervisor in
            keys.reconcile(token: name)
            // Without this the first signature with each key costs a search of the token.
            if !keys.keyring.isEmpty { supervisor.prepare().whenFailure { _ in } }
        }
        return service.tokens.start().assumeIsolated().flatMap { self.listen() }.map {
            self.report.start()
            self.report.show()
        }.nonisolated()
    }

    private func listen() -> EventLoopFuture<Void> {
        do {
            var record = AuditRecord(.event)
            record.operation = "start"
            record.detail = "acme-agentd \(AgentVersion.current), \(configuration.startDetail)"
            let start = try audit.record(record)
            var limits = VarlinkServerLimits()
            // A reload may change the configured limit, so the service counts. Connections that wait to be admitted
            // need descriptors too.
            limits.connections = service.descriptors
            limits.bytesPerUser = mebibytes.perUser * 1024 * 1024
            limits.bytes = mebibytes.all * 1024 * 1024
            let service = self.service
            let server = VarlinkServer(service: service, eventLoop: loop, limits: limits, rounds: rounds, thread: service.long) {
                descriptor in
                self.connectionNumber &+= 1
                guard let peer = AgentPeer(descriptor: descriptor, connection: self.connectionNumber, start: start),
                    service.mayConnect(peer)
                else { return nil }
                return peer
            }
            server.latency = latency
            server.acceptFailed = { [logger] code, pause in
                logger.log(
                    .acceptPaused, "accepting connections is paused",
                    [.error: String(cString: strerror(code)), .pause: "\(pause.nanoseconds / 1_000_000) ms"])
            }
            self.server = server
            let opened = try sockets.open(groups: configuration.current.socketGroups, backlog: ConfigurationKeeper.backlog)
            configuration.onSockets = { [weak self] change in self?.follow(change) }
            configuration.start()
            return EventLoopFuture.andAllSucceed(opened.map { listen(on: $0, server) }, on: loop)
        } catch {
            return loop.makeFailedFuture(error)
        }
    }

    private func listen(on socket: ListeningSockets.Opened, _ server: VarlinkServer<AgentService>) -> EventLoopFuture<Void> {
        server.listen(on: socket.descriptor, backlog: ConfigurationKeeper.backlog, named: socket.path)
    }

    /// After a reload. Connections that were admitted through a removed socket stay: their users are known, and the rules
    /// decide. Those that still wait for admission are closed.
    private func follow(_ change: ListeningSockets.Change) {
        guard let server else { return }
        for path in change.closed {
            server.stopListening(named: path)
            logger.log(.socketRemoved, "a socket was removed", [.socket: path])
        }
        for socket in change.opened {
            listen(on: socket, server).assumeIsolated().whenComplete { [logger] result in
                switch result {
                case .success: logger.log(.socketAdded, "a socket was added", [.socket: socket.path])
                case .failure(let error):
                    logger.log(.socketUnusable, "a socket cannot be used", [.socket: socket.path, .error: "\(error)"])
                }
            }
        }
    }

    func stop(within time: TimeAmount) -> EventLoopFuture<Void> {
        configuration.stop()
        // Its tokens stop, which is no news.
        service.tokens.onChange = nil
        let connections = server?.shutDown(within: time) ?? loop.makeSucceededVoidFuture()
        return connections.assumeIsolated().flatMap {
            self.service.tokens.stop()
        }.flatMap {
            self.service.gate.rates.close()
        }.map {
            do {
                self.service.gate.refusals.close()
                var record = AuditRecord(.event)
                record.operation = "stop"
                _ = try self.audit.record(record)
                try self.audit.close()
            } catch {
                self.logger.log(.trailNotClosed, "the audit trail could not be closed", [.error: "\(error)"])
            }
            self.report.stop()
        }.nonisolated()
    }
}
