import Foundation
import ProcessWaiting
import Testing

/// A sandbox as made by `make sandbox`, in its own folder: SoftHSM token, Pebble, its DNS server, the daemon.
final class Sandbox: Sendable {
    let folder: String
    /// What `.sandbox/env` exports, with the process's own PATH appended.
    let environment: [String: String]

    /// - Parameter pebble: Variables for Pebble, such as `PEBBLE_WFE_NONCEREJECT`.
    init(pebble: [String: String] = [:]) async throws {
        folder = FileManager.default.temporaryDirectory.path + "/sandbox-\(UUID().uuidString.prefix(13))"
        var variables = Sandbox.plain
        variables["SANDBOX_DIR"] = folder
        variables["ACME_AGENT_PROGRAMS"] = Program.folder
        variables["PEBBLE_VA_NOSLEEP"] = "1"
        variables["PEBBLE_WFE_NONCEREJECT"] = "0"
        variables["PEBBLE_AUTHZREUSE"] = "0"
        variables.merge(pebble) { _, new in new }
        let up = try await Program.run("/bin/bash", ["Tests/Sandbox/up", "--no-build"], environment: variables)
        try #require(up.status == 0, "\(up)")
        var environment = Sandbox.plain
        for line in try String(contentsOfFile: folder + "/env", encoding: .utf8).split(separator: "\n") where line.hasPrefix("export ") {
            let pair = line.dropFirst(7).split(separator: "=", maxSplits: 1)
            if pair.count == 2, pair[0] != "PATH" { environment[String(pair[0])] = String(pair[1]) }
        }
        self.environment = environment
    }

    private static var plain: [String: String] {
        let own = ProcessInfo.processInfo.environment
        return ["PATH": own["PATH"] ?? "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": own["HOME"] ?? "/", "LC_ALL": "C.UTF-8"]
    }

    /// Stops everything and removes the folder.
    func end() async { stop() }

    /// Also if a test ended early.
    deinit { stop() }

    private func stop() {
        guard FileManager.default.fileExists(atPath: folder) else { return }
        var variables = Sandbox.plain
        variables["SANDBOX_DIR"] = folder
        if let down = try? Program.start("/bin/bash", ["Tests/Sandbox/down"], environment: variables) { down.process.waitAsleep() }
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Runs `acme-agent`.
    func agent(_ arguments: String..., environment extra: [String: String] = [:]) async throws -> Outcome {
        try await agent(arguments, environment: extra)
    }

    func agent(_ arguments: [String], environment extra: [String: String] = [:]) async throws -> Outcome {
        try await Program.run(
            Program.folder + "/acme-agent", arguments, environment: environment.merging(extra) { _, new in new })
    }

    /// Starts `acme-agent` and leaves it running.
    func start(_ arguments: String...) throws -> Program.Running {
        try Program.start(Program.folder + "/acme-agent", arguments, environment: environment)
    }

    /// Runs a line of shell in the sandbox's environment.
    func shell(_ line: String) async throws -> Outcome {
        try await Program.run("/bin/bash", ["-euo", "pipefail", "-c", line], environment: environment)
    }

    /// The daemon's process.
    var daemon: Int32 {
        get throws {
            let text = try String(contentsOfFile: folder + "/run/agentd.pid", encoding: .utf8)
            return try #require(text.split(separator: " ").first.flatMap { Int32($0) })
        }
    }

    /// The helper's process: the daemon's child.
    var helper: Int32 {
        get async throws {
            let children = try await shell("pgrep -P \(daemon)")
            return try #require(children.output.split(separator: "\n").first.flatMap { Int32($0) })
        }
    }

    /// Stops the daemon and waits for its end: it lets the helper finish its work.
    func stopDaemon() async throws {
        let process = try daemon
        kill(process, SIGTERM)
        // The daemon is not a child of this process: it has ended when its folder in /proc is gone.
        for _ in 0..<1_000 where FileManager.default.fileExists(atPath: "/proc/\(process)/exe") {
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Restarts the daemon after it was killed.
    /// - Parameter extra: variables for the daemon only.
    func restartDaemon(socket: String? = nil, environment extra: [String: String] = [:]) async throws {
        let variables = extra.map { "'\($0.key)=\($0.value)'" }.joined(separator: " ")
        let started = try await shell(
            """
            cd '\(Program.root)'; program=test; . Tests/Sandbox/processes
            start_process agentd env \(variables) '\(Program.folder)/acme-agentd' --config "$SANDBOX_DIR/acme-agentd.toml"
            answers() { '\(Program.folder)/acme-agent' --socket '\(socket ?? environment["ACME_AGENT_SOCKET"] ?? "")' keys list >/dev/null 2>&1; }
            wait_until 20 answers
            """)
        try #require(started.status == 0, "\(started)")
    }

    /// Requests that the CA has counted since its start.
    func requests() throws -> Int {
        let log = try String(contentsOfFile: folder + "/log/pebble.log", encoding: .utf8)
        return log.split(separator: "\n").filter { $0.contains("calling handler()") }.count
    }

    var daemonLog: String { (try? String(contentsOfFile: folder + "/log/agentd.log", encoding: .utf8)) ?? "" }

    /// Objects in the token, as pkcs11-tool lists them: private keys and public keys.
    func privateKeysInToken() async throws -> Int {
        let listed = try await shell(
            "pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --login --pin \"$(cat \"$PIN_FILE\")\" --list-objects --type privkey | grep -c '^Private Key Object' || true"
        )
        return Int(listed.output.split(separator: "\n").last.map(String.init)?.trimmingCharacters(in: .whitespaces) ?? "") ?? -1
    }
}
