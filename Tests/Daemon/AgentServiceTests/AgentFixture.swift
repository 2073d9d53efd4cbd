import ACME
import AgentClient
import AgentInterface
import Foundation
import KeyNameLiterals
import LogRecorder
import Logging
import Synchronization
import Testing

@testable import AgentService

/// A daemon in this process, with its own socket and a token of swift-crypto's keys.
final class AgentFixture: Sendable {
    let folder: String
    let socket: String
    let token: FakeToken
    private let commands = Mutex<[DaemonCommand]>([])
    private let told = DispatchSemaphore(value: 0)
    private let stopped = DispatchSemaphore(value: 0)
    private let failure = Mutex<(any Error)?>(nil)

    static let directory = "https://localhost:14000/dir"

    /// - Parameter grants: TOML of the grants; `USER` stands for the user who runs the test.
    init(
        grants: String, settings: String = "", token: FakeToken = FakeToken(), desk: LookupDesk = LookupDesk(),
        passed: ((_ folder: String) throws -> PassedSockets)? = nil,
        manager: ServiceManager = .none, changeGroup: @escaping SocketPath.ChangeGroup = SocketPath.changeGroup, logger: Logger? = nil
    ) throws {
        folder = FileManager.default.temporaryDirectory.path + "/agent-\(UUID().uuidString.prefix(13))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        socket = folder + "/agent.sock"
        self.token = token
        self.desk = desk
        self.logger = logger ?? Logger(label: "test") { [logged] _ in LogRecorder(lines: logged) }
        self.passed = try passed?(folder) ?? .none
        self.manager = manager
        self.changeGroup = changeGroup
        try write(grants: grants, settings: settings)
        try start(file)
    }

    private let desk: LookupDesk
    private let logger: Logger
    /// What the daemon has logged, unless the test has a logger of its own.
    let logged = LogRecorder.Lines()
    private let passed: PassedSockets
    private let manager: ServiceManager
    private let changeGroup: SocketPath.ChangeGroup
    var file: String { folder + "/acme-agentd.toml" }

    static let fakeToken = """
        [[token]]
        name = "fake"
        module = "/nowhere.so"
        uri = "pkcs11:token=fake"
        pool = 2
        """

    /// Writes the configuration; a running daemon does not read it before it is told to.
    func write(grants: String, settings: String = "", tokens: String = AgentFixture.fakeToken) throws {
        let configuration = """
            socket = "\(socket)"
            state-directory = "\(folder)/state"
            \(settings)
            \(tokens)
            \(grants.replacingOccurrences(of: "USER", with: String(geteuid())))
            """
        try configuration.write(toFile: file, atomically: false, encoding: .utf8)
        chmod(file, 0o600)
    }

    private func tell(_ command: DaemonCommand) {
        commands.withLock { $0.append(command) }
        told.signal()
    }

    /// Reloads as SIGHUP does; returns once the reload is over.
    func reload() async throws {
        let before = reloads.withLock { $0.done }
        tell(.reload)
        for _ in 0..<2_000 where reloads.withLock({ $0.done }) == before { try await Task.sleep(for: .milliseconds(5)) }
        #expect(reloads.withLock { $0.done } > before, "the daemon did not reload")
    }

    /// Reloads that were done, and whether one is under way.
    private let reloads = Mutex((done: 0, isUnderWay: false))

    /// The daemon asks for its next command after it has done the previous one.
    private func next() -> DaemonCommand {
        reloads.withLock { reloads in
            if reloads.isUnderWay { reloads.done += 1 }
            reloads.isUnderWay = false
        }
        told.wait()
        let command = commands.withLock { $0.isEmpty ? .stop("test") : $0.removeFirst() }
        if case .reload = command { reloads.withLock { $0.isUnderWay = true } }
        return command
    }

    private func start(_ file: String) throws {
        let daemon = try AgentDaemon(configurationFile: file, logger: logger, desk: desk)
        let thread = Thread { [self] in
            do {
                try daemon.run(launcher: token, passed: passed, manager: manager, changeGroup: changeGroup) { self.next() }
            } catch { failure.withLock { $0 = error } }
            stopped.signal()
        }
        thread.start()
    }

    /// A client, once the daemon listens.
    func client() async throws -> AgentClient {
        for _ in 0..<500 {
            if let error = failure.withLock({ $0 }) { throw error }
            if let client = try? await AgentClient.connect(socket: socket) { return client }
            try await Task.sleep(for: .milliseconds(10))
        }
        return try await AgentClient.connect(socket: socket)
    }

    /// Stops the daemon and waits for its end.
    /// - Parameter look: Called before the folder is removed.
    func end(_ look: () -> Void = {}) {
        tell(.stop("test"))
        stopped.wait()
        let unlisted = logged.unlisted.withLock { $0 }
        #expect(unlisted.isEmpty, "logged without an event of the list, or with a field that the event does not have: \(unlisted)")
        look()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Stops the daemon, and starts another with the same state.
    func restart(_ meanwhile: () throws -> Void = {}) throws {
        // A daemon that did not start has ended by itself.
        if failure.withLock({ $0 }) == nil { tell(.stop("test")) }
        stopped.wait()
        failure.withLock { $0 = nil }
        do {
            try meanwhile()
            try start(file)
        } catch {
            // Nothing runs that `end` could wait for.
            stopped.signal()
            throw error
        }
    }

    var trail: [String] {
        let text = (try? String(contentsOfFile: folder + "/state/audit/audit.jsonl", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    static let everything = """
        [[grant]]
        name = "all"
        users = [USER]
        keys = ["*"]
        operations = ["issue", "account", "administer", "sign-handshake", "sign-certificate-request", "read-audit", "read-metrics"]
        identifiers = ["*"]
        wildcards = true
        cas = ["https://localhost:*"]
        """
}

extension AgentClient {
    func accountKey(_ name: KeyName = "account-1") async throws -> KeyDescription {
        try await createKey(named: name, usage: .account, algorithm: .p256, directory: ACMEURL(AgentFixture.directory))
    }

    func postAsGet(_ key: KeyName = "account-1", url: String = "https://localhost:14000/order/1") async throws -> SignedReply {
        try await sign(
            SigningCall(
                key: key, url: ACMEURL(url), nonce: "bm9uY2U", account: ACMEURL("https://localhost:14000/account/1"), request: .postAsGet))
    }
}
