import ACME
import AgentClient
import AgentInterface
import Foundation
import KeyNameLiterals
import ProcessWaiting
import TokenTestSupport

/// The daemon and its helper, with SoftHSM behind the fault module, in a folder of its own.
final class TestAgent: @unchecked Sendable {
    /// Seconds that a signature may take. More than the ten after which a hanging helper is killed.
    static let signingDeadline = 15
    static let directory = "https://ca.example.org/directory"

    let fixture: HelperFixture
    private let daemon = Process()
    var socket: String { fixture.folder + "/agent.sock" }
    var process: Int32 { daemon.processIdentifier }
    var isRunning: Bool { daemon.isRunning }

    /// Starts them, and waits until the token is ready.
    /// - Parameters:
    ///   - programs: The folder of `acme-agentd` and `acme-agent-token`.
    ///   - other: An agent that has ended, whose keys and entries this one gets.
    init(programs: String, like other: TestAgent? = nil) async throws {
        fixture = try HelperFixture()
        let folder = fixture.folder, module = try fixture.faultModule()
        if let other {
            for (name, place) in [("tokens", "/token/tokens"), ("keys", "/state/keys")] {
                try? FileManager.default.removeItem(atPath: folder + place)
                do { try FileManager.default.copyItem(atPath: other.fixture.folder + place, toPath: folder + place) } catch {
                    throw Finding("the \(name) cannot be copied: \(error)")
                }
            }
        }
        let configuration = """
            socket = "\(socket)"
            state-directory = "\(folder)/state"
            helper = "\(programs)/acme-agent-token"
            signing-deadline-seconds = \(Self.signingDeadline)

            [[token]]
            name = "unit"
            module = "\(module)"
            uri = "\(fixture.uri)"
            pin-source = "\(fixture.pinFile)"
            pool = 2
            environment = { SOFTHSM2_CONF = "\(fixture.configurationFile)", FAULT_DIRECTORY = "\(folder)/faults" }

            [[grant]]
            name = "all"
            users = [\(geteuid())]
            keys = ["*"]
            operations = ["issue", "account", "administer", "sign-handshake"]
            identifiers = ["*"]
            cas = ["https://ca.example.org"]
            """
        try fixture.write(configuration, to: folder + "/acme-agentd.toml")
        let log = folder + "/log"
        try fixture.write("", to: log)
        daemon.executableURL = URL(fileURLWithPath: programs + "/acme-agentd")
        daemon.arguments = ["--config", folder + "/acme-agentd.toml"]
        daemon.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
        daemon.standardInput = FileHandle.nullDevice
        daemon.standardOutput = FileHandle.nullDevice
        daemon.standardError = FileHandle(forWritingAtPath: log)
        try daemon.runAlone()
        do { try await waitUntilReady() } catch {
            await end()
            throw error
        }
    }

    private func waitUntilReady() async throws {
        for _ in 0..<1_500 where isRunning {
            if FileManager.default.fileExists(atPath: socket), let state = try? await token()?.state, state == .ready { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw Finding("the daemon did not start: \(lastLines)")
    }

    var lastLines: String {
        let log = (try? String(contentsOfFile: fixture.folder + "/log", encoding: .utf8)) ?? ""
        return log.split(separator: "\n").suffix(12).joined(separator: "\n")
    }

    /// Makes the keys that every case begins with.
    func makeKeys() async throws {
        try await withClient { client in
            _ = try await client.createKey(named: "account", usage: .account, algorithm: .p256, directory: ACMEURL(Self.directory))
            for name in ["web", "spare-1", "spare-2", "spare-3", "spare-4", "spare-5", "spare-6"] {
                _ = try await client.createKey(named: KeyName(name), usage: .certificate, algorithm: .p256)
            }
        }
    }

    func withClient<Value: Sendable>(_ body: @Sendable (AgentClient) async throws -> Value) async throws -> Value {
        let client = try await AgentClient.connect(socket: socket)
        do {
            let value = try await body(client)
            await client.close()
            return value
        } catch {
            await client.close()
            throw error
        }
    }

    func token() async throws -> TokenStatus? { try await withClient { try await $0.status().tokens.first } }

    /// Ends the helper, as a crash does.
    func killHelper() {
        // Each thread has the children that it started.
        for thread in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")) ?? [] {
            let children = (try? String(contentsOfFile: "/proc/\(process)/task/\(thread)/children", encoding: .utf8)) ?? ""
            for child in children.split(separator: " ") { if let child = Int32(child) { kill(child, SIGKILL) } }
        }
    }

    /// Objects in the token, as its files show them: two for each key.
    var objects: Int {
        let files = FileManager.default.enumerator(atPath: fixture.folder + "/token/tokens")?.compactMap { $0 as? String } ?? []
        return files.count { $0.hasSuffix(".object") && !$0.hasSuffix("/token.object") }
    }

    /// Names that have an entry, of keys that are being made too.
    var entries: Set<String> {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: fixture.folder + "/state/keys")) ?? []
        return Set(files.filter { $0.hasSuffix(".json") && !$0.hasPrefix(".") }.map { String($0.dropLast(".json".count)) })
    }

    /// Says that the PIN may be tried again, as an administrator does.
    func forgetPINAttempts() { fixture.pinMemory.map { try? FileManager.default.removeItem(atPath: $0) } }

    /// After its end. `exit` does not wait for the fixture to do it.
    func removeFolder() { try? FileManager.default.removeItem(atPath: fixture.folder) }

    func end() async {
        guard daemon.isRunning else { return }
        daemon.terminate()
        // Not on a thread that others need.
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { [self] in
                daemon.waitAsleep()
                continuation.resume()
            }
        }
    }
}

/// What must not be, or a test that cannot be made.
struct Finding: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
