import Foundation
import ProcessWaiting
import Testing

/// A sandbox as made by `make sandbox`, in its own folder: SoftHSM token, Pebble, its DNS server, the daemon.
final class Sandbox: Sendable {
    let folder: String
    /// What `.sandbox/env` exports, with the process's own PATH appended.
    let environment: [String: String]
    private let authorities: Authorities
    private let isBorrowing: Bool
    /// Where the log of the CA, which may have served other sandboxes before, begins.
    private let logStart: UInt64

    /// - Parameter pebble: Variables for a Pebble of its own, such as `PEBBLE_WFE_NONCEREJECT`. Without them it may
    ///   share Pebble and the DNS server with sandboxes before and after it.
    init(pebble: [String: String]? = nil) async throws {
        isBorrowing = pebble == nil
        authorities = if let pebble { try await Authorities(pebble: pebble) } else { try await Authorities.borrow() }
        logStart = authorities.logSize
        folder = authorities.nextFolder()
        var variables = Program.environment
        variables["SANDBOX_DIR"] = folder
        variables["ACME_AGENT_PROGRAMS"] = Program.folder
        let up = try await Program.run(
            "/bin/bash", ["Tests/Sandbox/up", "--no-build", "--authorities=\(authorities.folder)"], environment: variables)
        try #require(up.status == 0, "\(up)")
        var environment = Program.environment
        for line in try String(contentsOfFile: folder + "/env", encoding: .utf8).split(separator: "\n") where line.hasPrefix("export ") {
            let pair = line.dropFirst(7).split(separator: "=", maxSplits: 1)
            if pair.count == 2, pair[0] != "PATH" { environment[String(pair[0])] = String(pair[1]) }
        }
        self.environment = environment
        guard !isBorrowing else { return }
        // It can be stopped by name, like the daemon.
        for name in ["/run/pebble.pid", "/run/pebble-eab.pid", "/run/challtestsrv.pid"] {
            try FileManager.default.copyItem(atPath: authorities.folder + name, toPath: folder + name)
        }
    }

    /// Stops everything and removes the folder.
    func end() async {
        guard FileManager.default.fileExists(atPath: folder) else { return }
        let down = try? await Program.run("/bin/bash", ["Tests/Sandbox/down"], environment: environment)
        try? FileManager.default.removeItem(atPath: folder)
        let isGone = down?.status == 0 && !FileManager.default.fileExists(atPath: folder)
        if isBorrowing, isGone { authorities.giveBack() } else { authorities.end() }
    }

    /// If a test ended early: what it has left running might disturb the next, so nothing is given back.
    deinit {
        if FileManager.default.fileExists(atPath: folder) { authorities.end() }
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
    func start(_ arguments: String...) throws -> Program.Running { try start(arguments) }

    func start(_ arguments: [String]) throws -> Program.Running {
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

    /// What the CA has logged for this sandbox.
    func caLog() throws -> String { try authorities.log(from: logStart) }

    /// Requests that the CA has counted for this sandbox.
    func requests() throws -> Int {
        try caLog().split(separator: "\n").count { $0.contains("calling handler()") }
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
