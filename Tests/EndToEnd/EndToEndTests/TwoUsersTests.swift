import Foundation
import Testing

/// Two users of the machine, of whom each has a grant of its own. Needs root, to be other users.
@Suite struct TwoUsersTests {
    private static let anna = 41_001
    private static let bert = 41_002

    @Test(.enabled(if: geteuid() == 0, "needs root")) func whatOneMayTheOtherMayNot() async throws {
        let sandbox = try await Sandbox()
        try await sandbox.stopDaemon()
        // The sandbox's folder is its maker's alone: socket and program move to where others may go.
        let place = "/tmp/two-users-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: place) }
        let file = sandbox.folder + "/acme-agentd.toml"
        var text = try String(contentsOfFile: file, encoding: .utf8)
            .replacingOccurrences(of: sandbox.environment["ACME_AGENT_SOCKET"] ?? "-", with: place + "/agent.sock")
        let grants = try #require(text.range(of: "# Whoever started"))
        text.removeSubrange(grants.lowerBound...)
        text = "socket-mode = \"0666\"\n" + text
        for (name, user) in [("anna", TwoUsersTests.anna), ("bert", TwoUsersTests.bert)] {
            text += """
                [[grant]]
                name = "\(name)"
                users = [\(user)]
                keys = ["\(name)-*"]
                operations = ["issue", "account", "create-key"]
                identifiers = ["\(name).example.org"]
                cas = ["https://localhost:*"]

                """
        }
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        chmod(file, 0o600)
        let prepared = try await sandbox.shell(
            "mkdir -m 0755 '\(place)'; cp '\(Program.folder)/acme-agent' '\(place)/'; chmod 0755 '\(place)/acme-agent'")
        try #require(prepared.status == 0, "\(prepared)")
        try await sandbox.restartDaemon(socket: place + "/agent.sock")

        func agent(_ user: Int, _ arguments: String) async throws -> Outcome {
            try await sandbox.shell(
                """
                cd '\(place)'
                exec setpriv --reuid \(user) --regid \(user) --clear-groups env -i PATH="$PATH" HOME='\(place)' \
                    ./acme-agent --socket '\(place)/agent.sock' \(arguments)
                """)
        }
        let made = try await agent(TwoUsersTests.anna, "keys create anna-web")
        #expect(made.status == 0, "\(made)")
        #expect(try await agent(TwoUsersTests.anna, "keys show anna-web").status == 0)
        // Bert neither sees the key nor may use its name; a key that is not there sounds the same.
        let hers = try await agent(TwoUsersTests.bert, "keys show anna-web")
        let none = try await agent(TwoUsersTests.bert, "keys show anna-none")
        #expect(hers.status == 2)
        #expect(hers.error.replacingOccurrences(of: "anna-web", with: "anna-none") == none.error)
        #expect(try await !agent(TwoUsersTests.bert, "keys list").output.contains("anna"))
        #expect(try await agent(TwoUsersTests.bert, "keys create anna-other").status == 2)
        #expect(try await agent(TwoUsersTests.bert, "keys create bert-web").status == 0)
        // uid 65534 is what an unmapped user looks like: nobody gets in as it.
        #expect(try await agent(65_534, "status").status == 3)
        // The socket of another user's is not believed to be the agent's.
        let posed = try await sandbox.shell(
            """
            mkdir -m 0777 '\(place)/open'; cd '\(place)/open'
            python3 -c 'import os,socket,time; os.setgroups([]); os.setuid(\(TwoUsersTests.bert))
            s=socket.socket(socket.AF_UNIX); s.bind("agent.sock"); s.listen(); time.sleep(5)' &
            for i in $(seq 100); do [ -S agent.sock ] && break; sleep 0.02; done
            chmod 0666 agent.sock
            setpriv --reuid \(TwoUsersTests.anna) --regid \(TwoUsersTests.anna) --clear-groups env -i HOME=/ '\(place)/acme-agent' --socket "$PWD/agent.sock" status
            """)
        #expect(posed.status == 3 && posed.error.contains("not trusted"), "\(posed)")
        await sandbox.end()
    }
}
