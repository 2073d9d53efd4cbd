import ACME
import AuditTrail
import CLinux
import ConfigurationFile
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

/// The daemon put together: configuration, helpers, audit trail, keys, service, socket; and its end.
public final class AgentDaemon: Sendable {
    /// How long calls in flight may take to end when the daemon is told to stop.
    private static let stopTime = TimeAmount.seconds(5)

    private let configuration: AgentConfiguration
    private let rules: Rules
    private let logger: Logger

    /// Reads and checks everything that the configuration names.
    /// - Throws: `ConfigurationError` with file and line.
    public init(configurationFile path: String, logger: Logger) throws(ConfigurationError) {
        configuration = try AgentConfiguration(protectedFile: path)
        let policy = try Policy(configuration.grants)
        var accounts: [String: LoadedExternalAccount] = [:]
        for setting in configuration.externalAccounts {
            accounts[setting.name] = try LoadedExternalAccount(setting, configuration: path)
        }
        rules = Rules(policy: policy, externalAccounts: accounts)
        if let group = configuration.socketGroup, UserDirectory.group(group) == nil {
            throw ConfigurationError(file: path, line: nil, message: "\"socket-group\" names a group that does not exist: \"\(group)\"")
        }
        self.logger = logger
    }

    /// What the configuration says, in a few lines for `--check-config`.
    public var summary: String {
        let tokens = configuration.tokens.map(\.name).joined(separator: ", ")
        return """
            configuration: \(configuration.file)
            socket: \(configuration.socket)
            state: \(configuration.stateDirectory)
            audit trail: \(configuration.auditFile)
            tokens: \(tokens)
            grants: \(configuration.grants.map(\.name).joined(separator: ", "))
            """
    }

    /// Runs until SIGTERM or SIGINT. Helpers are started before anything else, and the socket is there only when all else is.
    /// - Throws: What keeps the daemon from starting.
    public func run() throws {
        signal(SIGPIPE, SIG_IGN)
        try run(launcher: ProcessLauncher(path: configuration.helper ?? AgentDaemon.helperBeside())) { StopSignal().wait() }
    }

    /// Runs without keeping an audit trail: for the benchmark, which measures what the trail costs. The daemon's own program has no way here.
    package func runUnrecorded() throws {
        signal(SIGPIPE, SIG_IGN)
        try run(launcher: ProcessLauncher(path: configuration.helper ?? AgentDaemon.helperBeside()), keepsAudit: false) {
            StopSignal().wait()
        }
    }

    /// Runs until `wait` returns; `launcher` starts the helpers.
    func run(launcher: any HelperLauncher, keepsAudit: Bool = true, until wait: () -> String) throws {
        // A core dump would hold MAC keys. SCHED_BATCH keeps wake-ups from pre-empting the signers (Docs/decisions).
        _ = clinux_make_undumpable()
        _ = clinux_batch_scheduling()
        AgentDaemon.raiseDescriptorLimit()
        let path = try SocketPath(configuration.socket, mode: configuration.socketMode)
        defer { path.release() }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let disk = NIOThreadPool(numberOfThreads: 1)
        disk.start()
        // Its own thread: to find its place in a long trail takes a reader seconds, for which nobody's key is to wait.
        let reading = NIOThreadPool(numberOfThreads: 1)
        reading.start()
        defer {
            try? reading.syncShutdownGracefully()
            try? disk.syncShutdownGracefully()
            try? group.syncShutdownGracefully()
        }
        let loop = group.next()
        let parts = try loop.submit { NIOLoopBound(try self.assemble(path, loop, disk, reading, launcher, keepsAudit), eventLoop: loop) }
            .wait()
        do { try loop.flatSubmit { parts.value.start() }.wait() } catch {
            try? loop.flatSubmit { parts.value.stop(within: AgentDaemon.stopTime) }.wait()
            throw error
        }
        logger.info(
            "ready",
            metadata: [
                "version": "\(AgentVersion.current)", "socket": "\(configuration.socket)", "grants": "\(configuration.grants.count)",
                "tokens": "\(configuration.tokens.map(\.name).joined(separator: ", "))",
            ])
        notify("READY=1")
        let signal = wait()
        notify("STOPPING=1")
        logger.info("stopping", metadata: ["signal": "\(signal)"])
        path.remove()
        try loop.flatSubmit { parts.value.stop(within: AgentDaemon.stopTime) }.wait()
    }

    /// A descriptor for each connection: the soft limit of 1,024 that a shell gives would turn callers away long before the configured bound.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    private func notify(_ state: String) { _ = clinux_notify(state) }

    private func assemble(
        _ path: SocketPath, _ loop: any EventLoop, _ disk: NIOThreadPool, _ reading: NIOThreadPool, _ launcher: any HelperLauncher,
        _ keepsAudit: Bool
    ) throws -> Parts {
        try DurableFile.createFolder(configuration.stateDirectory, mode: 0o700)
        // Who can put a file into it gives names to keys and takes back the memory of PINs.
        _ = try Folder.open(configuration.stateDirectory, as: .configuration)
        var tokens: [String: TokenSupervisor] = [:]
        for token in configuration.tokens {
            tokens[token.name] = TokenSupervisor(configuration: token, launcher: launcher, eventLoop: loop, logger: logger)
        }
        try DurableFile.createFolder(DurableFile.parent(of: configuration.auditFile), mode: 0o700)
        let audit = try keepsAudit ? AuditLog(path: configuration.auditFile) : AuditLog(keepingNothingAt: configuration.auditFile)
        let folder = try KeyFolder(path: configuration.stateDirectory + "/keys")
        let pipeline = SigningPipeline(
            eventLoop: loop, audit: audit, tokens: tokens, verification: configuration.verification,
            deadline: .seconds(Int64(configuration.signingDeadline)), logger: logger)
        let gate = Gate(rules: rules, refusals: RefusalLog(audit: audit, logger: logger))
        let keys = KeyAdministration(
            eventLoop: loop, folder: folder, keyring: try Keyring(folder.records()), disk: disk, audit: audit, tokens: tokens,
            defaultToken: configuration.tokens.first?.name ?? "", logger: logger)
        let service = try AgentService(
            eventLoop: loop, gate: gate, audit: audit, tokens: tokens,
            tokenNames: configuration.tokens.map(\.name), pipeline: pipeline, keys: keys,
            trail: AuditReading(path: configuration.auditFile, eventLoop: loop, disk: reading, logger: logger),
            connectionsPerUser: configuration.connectionsPerUser, logger: logger)
        return Parts(service: service, audit: audit, path: path, configuration: configuration, loop: loop, logger: logger)
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
    private let path: SocketPath
    private let configuration: AgentConfiguration
    private let loop: any EventLoop
    private let logger: Logger
    private var server: VarlinkServer<AgentService>?
    private var connections: UInt64 = 0

    init(service: AgentService, audit: AuditLog, path: SocketPath, configuration: AgentConfiguration, loop: any EventLoop, logger: Logger) {
        self.service = service
        self.audit = audit
        self.path = path
        self.configuration = configuration
        self.loop = loop
        self.logger = logger
    }

    func start() -> EventLoopFuture<Void> {
        let helpers = service.tokens.map { name, supervisor in
            supervisor.onStateChange = { [logger, keys = service.keys, unowned supervisor] state in
                switch state {
                case .ready(let information):
                    logger.info("token ready", metadata: ["token": "\(name)", "label": "\(information.label)"])
                    keys.reconcile(token: name)
                    // Without this the first signature with each key costs a search of the token.
                    if !keys.keyring.isEmpty { supervisor.prepare().whenFailure { _ in } }
                case .unavailable(let failure):
                    logger.error(
                        "token unavailable",
                        metadata: [
                            "token": "\(name)", "reason": "\(failure.kind)", "message": "\(failure.message)",
                            "hint": "\(failure.hint ?? "")",
                            "function": "\(failure.function ?? "")",
                            "returnValue": "\(failure.returnValue.map { "0x" + String($0, radix: 16) } ?? "")",
                        ])
                case .starting, .stopped: break
                }
            }
            return supervisor.start()
        }
        return EventLoopFuture.andAllSucceed(helpers, on: loop).assumeIsolated().flatMap { self.listen() }.nonisolated()
    }

    private func listen() -> EventLoopFuture<Void> {
        do {
            var record = AuditRecord(.event)
            record.operation = "start"
            record.detail = "acme-agentd \(AgentVersion.current)"
            _ = try audit.record(record)
            var limits = VarlinkServerLimits()
            limits.connections = configuration.connections
            let service = self.service
            let server = VarlinkServer(service: service, eventLoop: loop, limits: limits) { descriptor in
                self.connections &+= 1
                guard let peer = AgentPeer(descriptor: descriptor, connection: self.connections), service.mayConnect(peer) else {
                    return nil
                }
                return peer
            }
            self.server = server
            let descriptor = try path.bind(
                mode: configuration.socketMode, group: configuration.socketGroup.flatMap { UserDirectory.group($0) }, backlog: 4096)
            return server.listen(on: descriptor)
        } catch {
            return loop.makeFailedFuture(error)
        }
    }

    func stop(within time: TimeAmount) -> EventLoopFuture<Void> {
        let connections = server?.shutDown(within: time) ?? loop.makeSucceededVoidFuture()
        return connections.assumeIsolated().flatMap {
            EventLoopFuture.andAllComplete(self.service.tokens.values.map { $0.stop() }, on: self.loop)
        }.map {
            do {
                var record = AuditRecord(.event)
                record.operation = "stop"
                _ = try self.audit.record(record)
                try self.audit.close()
            } catch {
                self.logger.error("the audit trail could not be closed", metadata: ["error": "\(error)"])
            }
        }.nonisolated()
    }
}

/// Waits for SIGTERM or SIGINT.
private struct StopSignal {
    func wait() -> String {
        let queue = DispatchQueue(label: "signals")
        let semaphore = DispatchSemaphore(value: 0)
        let received = Mutex("")
        let sources = [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT")].map { number, name in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                received.withLock { $0 = name }
                semaphore.signal()
            }
            source.resume()
            return source
        }
        semaphore.wait()
        for source in sources { source.cancel() }
        return received.withLock { $0 }
    }
}
