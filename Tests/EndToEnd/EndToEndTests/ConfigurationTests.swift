import Foundation
import Testing

/// The configuration of the real daemon: reloaded on a signal, and checked beforehand.
@Suite(.timeLimit(.minutes(2))) struct ConfigurationTests {
    @Test func anEmptyNameIsNoFile() async throws {
        let outcome = try await Program.run(Program.folder + "/acme-agentd", ["--config", ""], environment: [:])
        #expect(outcome.status == 64 && outcome.error.contains("the value of --config is empty"), "\(outcome)")
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
        try text.write(toFile: file, atomically: false, encoding: .utf8)
        #expect(try await sandbox.shell("\(Program.folder)/acme-agentd --check-config --config '\(file)'").status == 0)
        await sandbox.end()
    }
}
