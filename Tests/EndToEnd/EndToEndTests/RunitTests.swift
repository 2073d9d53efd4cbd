import Foundation
import ProcessWaiting
import Testing

/// The example for runit, with Debian's `runsv` on a folder of the test's own.
@Suite struct RunitTests {
    private static var isThere: Bool {
        geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/runsv")
    }

    @Test(.enabled(if: isThere, "needs root and the package runit")) func theDaemonIsStartedReloadedRestartedAndStopped() async throws {
        let sandbox = try await Sandbox()
        try await sandbox.stopDaemon()
        let services = sandbox.folder + "/sv"
        // As installed, with this sandbox's folders, programs and user.
        let installed = try await sandbox.shell(
            """
            cd '\(Program.root)'
            PREFIX="$SANDBOX_DIR/installed" Config/install-files acme-agent acme-agentd
            mkdir '\(services)'
            cp -R "$SANDBOX_DIR"/installed/share/acme-agent/runit/. '\(services)'
            find '\(services)' -type f -exec sed -i "
                s#$SANDBOX_DIR/installed/s*bin/#\(Program.folder)/#
                s#/etc/acme-agent/acme-agentd.toml#$SANDBOX_DIR/acme-agentd.toml#
                s#/run/acme-agent#$SANDBOX_DIR/run-of-runit#
                s#/var/lib/#$SANDBOX_DIR/state-of-runit/#
                s#/var/log/#$SANDBOX_DIR/log-of-runit/#
                s#\\(-o\\|-g\\|--reuid\\|--regid\\) [_a-z-]*#\\1 root#g" {} +
            mkdir "$SANDBOX_DIR"/state-of-runit "$SANDBOX_DIR"/log-of-runit
            cd "$SANDBOX_DIR"; program=test; . '\(Program.root)/Tests/Sandbox/processes'
            start_process agentd runsv '\(services)/acme-agentd'
            """)
        try #require(installed.status == 0, "\(installed)")
        func sv(_ command: String) async throws -> String {
            let outcome = try await sandbox.shell("sv -w 20 \(command) '\(services)/acme-agentd'")
            return outcome.status == 0 ? outcome.output : "\(outcome)"
        }
        func process() throws -> Int32 {
            let text = try String(contentsOfFile: services + "/acme-agentd/supervise/pid", encoding: .utf8)
            return Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
        }
        func log() -> String { (try? String(contentsOfFile: sandbox.folder + "/log-of-runit/acme-agentd/current", encoding: .utf8)) ?? "" }
        func answers() async throws -> Bool { try await sandbox.agent("keys", "list").status == 0 }
        func wait(_ what: String, _ condition: () async throws -> Bool) async throws {
            for _ in 0..<400 {
                if try await condition() { return }
                try await Task.sleep(for: .milliseconds(50))
            }
            Issue.record("\(what): \(log())")
        }

        try await wait("start", answers)
        #expect(try await sv("status").hasPrefix("run: "))
        let first = try process()
        // No capability is left to it.
        let status = try String(contentsOfFile: "/proc/\(first)/status", encoding: .utf8)
        for set in ["CapInh", "CapBnd", "CapAmb"] { #expect(status.contains("\(set):\t0000000000000000\n"), "\(status)") }
        #expect(status.contains("NoNewPrivs:\t1\n"))

        _ = try await sv("hup")
        try await wait("reload") { log().contains("configuration reloaded") }
        #expect(try process() == first)

        kill(first, SIGKILL)
        try await wait("restart") { try await answers() && process() != first }

        #expect(try await sv("stop").hasPrefix("ok: down: "))
        #expect(try await !answers())

        // A configuration error is not tried again and again.
        let broken = try await sandbox.shell("echo 'unknown = 1' >>\"$SANDBOX_DIR/acme-agentd.toml\"")
        #expect(broken.status == 0)
        _ = try await sv("up")
        try await wait("a configuration error") { log().contains("unknown") }
        try await wait("down") { try await sv("status").hasPrefix("down: ") }
        try await Task.sleep(for: .milliseconds(2_500))
        #expect(log().components(separatedBy: "acme-agentd: error: ").count == 2, "\(log())")
        _ = try await sandbox.shell("sv -w 20 force-shutdown '\(services)/acme-agentd' || true")
        await sandbox.end()
    }

    @Test func theExamplesAreValidShell() async throws {
        let checked = try await Program.run(
            "/bin/bash",
            [
                "-euc",
                "for file in Config/runit/*/run Config/runit/*/finish Config/runit/*/log/run; do sh -n \"$file\"; [ -x \"$file\" ]; done",
            ],
            environment: Program.environment)
        #expect(checked.status == 0, "\(checked)")
    }
}
