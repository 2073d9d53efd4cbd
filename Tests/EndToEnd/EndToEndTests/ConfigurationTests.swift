import Foundation
import Testing

/// The configuration of the real daemon: reloaded on a signal, and checked beforehand.
@Suite(.timeLimit(.minutes(2))) struct ConfigurationTests {
    @Test func anEmptyNameIsNoFile() async throws {
        let outcome = try await Program.run(Program.folder + "/acme-agentd", ["--config", ""], environment: [:])
        #expect(outcome.status == 64 && outcome.error.contains("the value of --config is empty"), "\(outcome)")
    }

    /// As a package installs it, and the example that it installs beside: each line is commented out. The unit does not
    /// start the daemon again after 78.
    @Test(arguments: ["cp Config/debian/acme-agentd.toml", "sed 's/^[^#]/#&/' Config/acme-agentd.toml >"])
    func aConfigurationThatSaysNothingIsExplainedOnce(_ command: String) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/commented-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        let file = folder + "/acme-agentd.toml"
        let made = try await Program.run(
            "/bin/bash", ["-euc", "\(command) '\(file)'; chmod 0644 '\(file)'"], environment: Program.environment)
        try #require(made.status == 0, "\(made)")
        let commented = try await Program.run(Program.folder + "/acme-agentd", ["--config", file], environment: [:])
        #expect(commented.status == 78 && commented.error.contains("\(file): no [[token]] is configured"), "\(commented)")
        #expect(commented.error.contains("hint: write a [[token]] and a [[grant]] in that file"), "\(commented)")
        try FileManager.default.removeItem(atPath: file)
        let missing = try await Program.run(Program.folder + "/acme-agentd", ["--config", file], environment: [:])
        #expect(missing.status == 78 && missing.error.contains("\(file): there is no such file"), "\(missing)")
        #expect(missing.error.contains("hint: write it after acme-agentd.toml in the documentation"), "\(missing)")
        let unit = try String(contentsOfFile: "Config/systemd/acme-agentd.service", encoding: .utf8)
        #expect(unit.contains("\nRestartPreventExitStatus=78\n"))
    }

    /// A MAC key as systemd gives a credential to a service: in memory, root's, and readable for the service's user by an
    /// access control list. Elsewhere the same file is too open.
    @Test(.enabled(if: geteuid() == 0 && access("/dev/shm", W_OK) == 0, "needs root and a file system in memory"))
    func aMACKeyMayBeACredentialOfTheService() async throws {
        let folder = "/dev/shm/credentials-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let environment = Program.environment.merging(["FOLDER": folder]) { _, new in new }
        let made = try await Program.run(
            "/bin/bash",
            [
                "-euc",
                """
                mkdir -m 0700 "$FOLDER"
                echo zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W >"$FOLDER/mac-key"
                chmod 0440 "$FOLDER/mac-key"
                python3 -c 'import os, struct, sys
                entries = [(1, 4, -1), (2, 4, os.geteuid()), (4, 0, -1), (16, 4, -1), (32, 0, -1)]
                value = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
                os.setxattr(sys.argv[1], "system.posix_acl_access", value)' "$FOLDER/mac-key"
                { sed 's/^users = .*/users = ["root"]/' Config/acme-agentd.toml
                  printf '%s\\n' '[[external-account]]' 'name = "ca"' 'directory = "https://ca.example/directory"' 'key-id = "kid"' \
                      "hmac-key-file = \\"$FOLDER/mac-key\\""
                } >"$FOLDER/acme-agentd.toml"
                chmod 0600 "$FOLDER/acme-agentd.toml"
                """,
            ], environment: environment)
        try #require(made.status == 0, "\(made)")
        func check(credentials: String) async throws -> Outcome {
            try await Program.run(
                Program.folder + "/acme-agentd", ["--config", folder + "/acme-agentd.toml", "--check-config"],
                environment: environment.merging(["CREDENTIALS_DIRECTORY": credentials]) { _, new in new })
        }
        let given = try await check(credentials: folder)
        #expect(given.status == 0, "\(given)")
        let other = try await check(credentials: "/dev/shm")
        #expect(other.status == 78 && other.error.contains("external account \"ca\""), "\(other)")
    }

    /// In the journal nothing else says so: no level hides it. Without the journal's socket its lines are here.
    @Test(.enabled(if: !FileManager.default.fileExists(atPath: "/run/systemd/journal/socket"), "there is a journal"))
    func aDaemonThatCannotStartSaysSoAtEveryLevel() async throws {
        let done = try await Program.run(
            "/bin/bash",
            [
                "-euc",
                """
                export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2)
                exec '\(Program.folder)/acme-agentd' --config /nowhere/acme-agentd.toml --log-level critical
                """,
            ], environment: Program.environment)
        #expect(done.status == 78 && done.error.contains("event=start-failed "), "\(done)")
    }

    /// The three programs say what they were built from, and `--version` is a line for a person.
    @Test(arguments: ["acme-agent", "acme-agentd", "acme-agent-token"]) func aProgramSaysWhatItWasBuiltFrom(_ name: String) async throws {
        let plain = try await Program.run(Program.folder + "/" + name, ["--version"], environment: [:])
        let outcome = try await Program.run(Program.folder + "/" + name, ["--version", "--json"], environment: [:])
        #expect(outcome.status == 0 && outcome.error == "", "\(outcome)")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        #expect(Set(object.keys) == ["program", "version", "commit", "date", "compiler", "dependencies"])
        #expect(object["program"] as? String == name)
        let version = try #require(object["version"] as? String)
        #expect(plain.status == 0 && plain.output == "\(name) \(version)\n", "\(plain)")
    }

    @Test func aHangUpReloadsAndStatusSaysHowItWent() async throws {
        let sandbox = try await Sandbox()
        let file = sandbox.folder + "/acme-agentd.toml"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let process = try sandbox.daemon
        func reload(_ text: String, until words: String) async throws -> Bool {
            try text.write(toFile: file, atomically: false, encoding: .utf8)
            kill(process, SIGHUP)
            for _ in 0..<200 {
                if try await sandbox.agent("status").output.contains(words) { return true }
                try await Task.sleep(for: .milliseconds(25))
            }
            return false
        }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count
        #expect(try await reload(text + "\nnonsense = 1\n", until: "the last reload was refused: \(file):\(lines + 1):"))
        #expect(try await sandbox.agent("keys", "list").status == 0)
        #expect(try await sandbox.agent("--json", "status").output.contains("\"reloadError\":\"\(file):\(lines + 1):"))
        let unknown = """

            [[grant]]
            name = "somebody"
            users = ["no-such-user-here"]
            operations = ["list-keys"]
            """
        let off = "grant \"somebody\" (line \(lines + 1)) is off: \"users\" names a user that does not exist: \"no-such-user-here\""
        #expect(try await reload(text + unknown, until: off.replacingOccurrences(of: "(line \(lines + 1))", with: "(line \(lines + 3))")))
        #expect(try await sandbox.agent("keys", "list").status == 0)
        #expect(try sandbox.daemon == process)
        let checked = try await sandbox.shell("\(Program.folder)/acme-agentd --check-config --config '\(file)'")
        #expect(checked.status == 78)
        #expect(checked.error.contains("grant \"somebody\"") && checked.output.contains("somebody"), "\(checked)")
        // A daemon would start with it, and has taken it. `systemctl reload` asks this way.
        let start = try await sandbox.shell("\(Program.folder)/acme-agentd --check-start --config '\(file)'")
        #expect(start.status == 0 && start.output.isEmpty && start.error.isEmpty, "\(start)")
        let keyless = "\n[[grant]]\nname = \"keyless\"\nusers = [0]\noperations = [\"list-keys\"]\n"
        try (text + keyless).write(toFile: file, atomically: false, encoding: .utf8)
        let warned = try await sandbox.shell("\(Program.folder)/acme-agentd --check-config --config '\(file)'")
        #expect(warned.status == 0 && warned.output.contains("allows nothing: it has no \"keys\""), "\(warned)")
        #expect(warned.output.contains("lets user 0") && !warned.output.contains("warning: the state directory"), "\(warned)")
        let useless =
            text.replacingOccurrences(of: "state-directory = ", with: "state-directory = \"\(file)\" # ") + """

                [[grant]]
                name = "unmapped"
                users = [65534]
                keys = ["*"]
                operations = ["list-keys"]
                """
        try useless.write(toFile: file, atomically: false, encoding: .utf8)
        let folders = try await sandbox.shell("\(Program.folder)/acme-agentd --check-config --config '\(file)'")
        #expect(folders.status == 0 && folders.output.contains("warning: the state directory: \"\(file)\" is not a folder"), "\(folders)")
        #expect(folders.output.contains("grant \"unmapped\" names uid 65534 (nobody), which the agent always refuses"), "\(folders)")
        let missing = try await sandbox.shell("\(Program.folder)/acme-agentd --check-config --config '\(file).none'")
        #expect(missing.status == 78 && missing.error.contains("there is no such file"), "\(missing)")
        try (text + "\nnonsense = 1\n").write(toFile: file, atomically: false, encoding: .utf8)
        let wrong = try await sandbox.shell("\(Program.folder)/acme-agentd --check-start --config '\(file)'")
        #expect(wrong.status == 78 && wrong.output.isEmpty, "\(wrong)")
        #expect(wrong.error.contains("acme-agentd: error: \(file):\(lines + 1): "), "\(wrong)")
        try text.write(toFile: file, atomically: false, encoding: .utf8)
        #expect(try await sandbox.shell("\(Program.folder)/acme-agentd --check-config --config '\(file)'").status == 0)
        await sandbox.end()
    }
}
