import Foundation
import Testing

/// `acme-agentd backup` and `restore`, as an administrator runs them.
@Suite struct BackupTests {
    private static let agent = 41_010

    /// The section of operations.md with a heading.
    static func section(_ heading: String) throws -> String {
        let text = try String(contentsOfFile: Program.root + "/Docs/operations.md", encoding: .utf8)
        let start = try #require(text.range(of: "\n\(heading)\n"), "\(heading)")
        let rest = text[start.upperBound...]
        return String(rest[..<(rest.range(of: "\n## ")?.lowerBound ?? rest.endIndex)])
    }

    @Test func anAgentComesBackOnAnEmptyMachine() async throws {
        let sandbox = try await Sandbox(), daemon = Program.folder + "/acme-agentd"
        for command in [["account", "register", "--agree-tos"], ["issue", "-d", "www.example.org"]] {
            let done = try await sandbox.agent(command)
            try #require(done.status == 0, "\(done)")
        }
        let config = sandbox.folder + "/acme-agentd.toml", backup = sandbox.folder + "/agent.json"
        func run(_ arguments: String...) async throws -> Outcome {
            try await Program.run(daemon, arguments, environment: sandbox.environment)
        }
        // Beside the running daemon.
        let made = try await run("backup", backup, "--config", config)
        try #require(made.status == 0, "\(made)")
        #expect(made.output.contains("entries of keys: 2") && made.output.contains("not in it:"), "\(made)")
        let secrets = try await sandbox.shell(
            """
            [ "$(stat -c %a "$SANDBOX_DIR/agent.json")" = 600 ]
            for file in "$PIN_FILE" "$SANDBOX_DIR/eab.key"; do
                [ -s "$file" ]
                # 1234 may be in a digest, but no digest stands between these.
                if grep -E "(^|[^0-9a-f])$(cat "$file")([^0-9a-f]|$)" "$SANDBOX_DIR/agent.json"; then exit 1; fi
                grep -qF "$file" "$SANDBOX_DIR/agent.json"
            done
            """)
        #expect(secrets.status == 0, "\(secrets)")
        #expect(try await run("backup", backup, "--config", config).status == 1)
        let beside = try await run("--config", config, "restore", backup)
        #expect(beside.status == 1 && beside.error.contains("a daemon may be running"), "\(beside)")
        #expect(beside.error.contains("hint: systemctl stop acme-agentd.socket acme-agentd.service"), "\(beside)")
        for action in ["--check-config", "--check-start", "--accept-audit-trail", "--matrix"] {
            let mixed = try await run(action, "restore", backup, "--replace")
            #expect(mixed.status == 64 && mixed.error.contains("cannot be combined with a command"), "\(mixed)")
        }
        #expect(try await run("restore", "--help").output.contains("--config"))

        try await sandbox.stopDaemon()
        let wiped = try await sandbox.shell(
            #"cd "$SANDBOX_DIR"; mv agentd/audit kept; mv acme-agentd.toml gone.toml; rm -r agentd; mkdir -m 0700 agentd"#)
        try #require(wiped.status == 0, "\(wiped)")
        let lost = try await run("restore", backup)
        #expect(lost.status == 0 && lost.output.contains("is not there, and ended with record"), "\(lost)")
        #expect(lost.output.contains(sandbox.environment["PIN_FILE"] ?? "-"), "\(lost)")
        let refused = try await run("--config", config)
        #expect(refused.status == 1 && refused.error.contains("the audit trail is gone or empty"), "\(refused)")
        // The trail's files are put back, as the command says.
        let back = try await sandbox.shell(#"cd "$SANDBOX_DIR"; rm -rf agentd/audit; mv kept agentd/audit"#)
        try #require(back.status == 0, "\(back)")
        let again = try await run("restore", backup)
        #expect(again.status == 0 && again.output.contains("it has the backup's head"), "\(again)")
        try await sandbox.restartDaemon()
        for command in [["status", "--check"], ["audit", "verify"], ["renew", "www.example.org", "--force"]] {
            let done = try await sandbox.agent(command)
            #expect(done.status == 0, "\(command): \(done)")
        }
        #expect(try await sandbox.privateKeysInToken() == 2)
        // Another format, and something else.
        try "{}".write(toFile: sandbox.folder + "/other.json", atomically: true, encoding: .utf8)
        let other = try await run("restore", sandbox.folder + "/other.json")
        #expect(other.status == 1 && other.error.contains("is not a backup of acme-agentd"), "\(other)")
        await sandbox.end()
    }

    /// Root restores, and the state belongs to the agent's user.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func whatRootPutsBackBelongsToTheAgentsUser() async throws {
        let sandbox = try await Sandbox()
        let created = try await sandbox.agent("keys", "create", "web-1")
        try #require(created.status == 0, "\(created)")
        try await sandbox.stopDaemon()
        let place = FileManager.default.temporaryDirectory.path + "/backup-\(UUID().uuidString.prefix(8))"
        let done = try await sandbox.shell(
            """
            mkdir -m 0755 '\(place)' '\(place)/etc'; cp -R "$SANDBOX_DIR/agentd" '\(place)/state'
            chown -R \(BackupTests.agent):\(BackupTests.agent) '\(place)/state'
            sed "s|$SANDBOX_DIR/agentd|\(place)/state|; s|^socket = .*|socket = \\"\(place)/run/agent.sock\\"|" \
                "$SANDBOX_DIR/acme-agentd.toml" >'\(place)/etc/acme-agentd.toml'
            chmod 0644 '\(place)/etc/acme-agentd.toml'; cd '\(place)'
            '\(Program.folder)/acme-agentd' backup agent.json --config '\(place)/etc/acme-agentd.toml'
            rm -r state/keys state/audit-head etc/acme-agentd.toml
            # A link of a broken agent's leads root nowhere.
            mkdir victim; ln -s ../victim state/keys
            if '\(Program.folder)/acme-agentd' restore agent.json 2>error; then exit 1; fi
            [ -z "$(ls victim)" ]
            rm state/keys
            '\(Program.folder)/acme-agentd' restore agent.json >output
            stat -c '%n %u %a' state/keys state/keys/web-1.json state/audit-head etc/acme-agentd.toml
            setpriv --reuid \(BackupTests.agent) --regid \(BackupTests.agent) --clear-groups cat state/keys/web-1.json >/dev/null
            """)
        #expect(done.status == 0, "\(done)")
        for line in [
            "state/keys \(BackupTests.agent) 700", "state/keys/web-1.json \(BackupTests.agent) 600",
            "state/audit-head \(BackupTests.agent) 600", "etc/acme-agentd.toml 0 644",
        ] { #expect(done.output.contains(line), "\(done)") }
        try? FileManager.default.removeItem(atPath: place)
        await sandbox.end()
    }
}
