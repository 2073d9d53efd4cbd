import Foundation
import Testing

/// Dry runs at a CA's staging environment, and the state that is shown again and again.
@Suite struct StagingTests {
    /// What a dry run must not change: the store without what it says of accounts, and the token.
    private func state(_ sandbox: Sandbox) async throws -> String {
        let files = try await sandbox.shell("cd \"$SANDBOX_DIR/state\" && find . -type f | sort | xargs sha256sum")
        return "\(files.output)\(try await sandbox.privateKeysInToken())"
    }

    @Test func aDryRunProvesNamesAndLeavesNothing() async throws {
        let sandbox = try await Sandbox(), staging = try await CAInFront(sandbox, name: "staging")
        let directory = try #require(sandbox.environment["ACME_DIRECTORY"])
        let file = sandbox.folder + "/acme-agent.toml"
        let general = try String(contentsOfFile: file, encoding: .utf8)
        func configure(_ stagingDirectory: String) throws {
            try """
            \(general)
            deploy-hook = "/bin/false"
            [[ca]]
            name = "main"
            directory = "\(directory)"
            ca-certificate = "\(try #require(sandbox.environment["CA_CERTIFICATE"]))"
            \(stagingDirectory)

            """.write(toFile: file, atomically: true, encoding: .utf8)
        }
        try configure("")
        let unknown = try await sandbox.agent("issue", "-d", "www.example.org", "--dry-run", "--json")
        #expect(unknown.status == 64 && unknown.output.contains("no staging environment"), "\(unknown)")
        try configure("staging-directory = \"\(staging.directory)\"")
        // Without an account there, the command that makes one.
        try #require(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        let missing = try await sandbox.agent("issue", "-d", "www.example.org", "--dry-run")
        #expect(missing.status == 1 && missing.error.contains("account register"), "\(missing)")
        #expect(missing.error.contains("--directory \(staging.directory)"), "\(missing)")
        try #require(try await sandbox.agent("account", "register", "--agree-tos", "--staging").status == 0)

        let before = try await state(sandbox)
        let tried = try await sandbox.agent("issue", "-d", "www.example.org", "-d", "example.org", "--dry-run", "--json")
        #expect(tried.status == 0, "\(tried)")
        let proven = try #require((tried.json["proven"] as? [[String: Any]])?.first, "\(tried)")
        #expect(proven["directory"] as? String == staging.directory && proven["deployHooks"] as? [String] == ["/bin/false"])
        #expect(tried.json["dryRun"] as? Bool == true)
        #expect(try await state(sandbox) == before)
        #expect(
            !staging.log.contains { $0.contains("finalize") } && staging.log.contains { $0.contains("new-order") || $0.contains("order") })

        // A failure says why, and leaves as little.
        let failed = try await sandbox.agent(
            "issue", "-d", "other.example.org", "--dry-run", "--webroot", sandbox.folder + "/none")
        #expect(failed.status != 0, "\(failed)")
        #expect(try await state(sandbox) == before)
        // A hook that cannot be started is found.
        let hookless = try await sandbox.agent("issue", "-d", "www.example.org", "--dry-run", "--deploy-hook", "/nowhere")
        #expect(hookless.status == 78, "\(hookless)")

        // Of what is stored, due or not.
        let issued = try await sandbox.agent("issue", "-d", "www.example.org", "--deploy-hook", "/bin/true")
        try #require(issued.status == 0, "\(issued)")
        let stored = try await state(sandbox)
        let renewed = try await sandbox.agent("renew", "--all", "--dry-run")
        #expect(renewed.status == 0, "\(renewed)")
        #expect(renewed.output.contains("www.example.org: control of www.example.org is proven at \(staging.directory)"), "\(renewed)")
        #expect(renewed.output.contains("/bin/true"))
        #expect(try await state(sandbox) == stored)
        await staging.end()
        await sandbox.end()
    }

    @Test func theStateIsShownAgainAndAgain() async throws {
        let sandbox = try await Sandbox()
        let piped = try sandbox.start("status", "--watch", "1", "--json")
        let text = try sandbox.start("status", "--watch", "1")
        let terminal = try await sandbox.shell(
            "script -qec \"timeout 3 '\(Program.folder)/acme-agent' status --watch 1\" /dev/null </dev/null | cat -v || true")
        #expect(terminal.output.components(separatedBy: "^[[H^[[2Jagent:").count >= 3, "\(terminal)")
        // An agent that is away ends nothing.
        try await sandbox.stopDaemon()
        try await Task.sleep(for: .seconds(2))
        for running in [piped, text] { kill(running.process.processIdentifier, SIGTERM) }
        let lines = await piped.end(), plain = await text.end()
        let documents = lines.output.split(separator: "\n").map {
            (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any] ?? [:]
        }
        #expect(documents.count >= 4 && documents.first?["client"] != nil, "\(lines)")
        #expect(documents.last?["error"] != nil, "\(lines)")
        #expect(documents.allSatisfy { !$0.isEmpty })
        #expect(!plain.output.contains("\u{1B}") && plain.output.components(separatedBy: "acme-agentd ").count >= 3, "\(plain)")
        #expect(plain.error.contains("acme-agent: error:"))
        for arguments in [["status", "3"], ["status", "--watch", "0"], ["status", "--watch", "--check"]] {
            #expect(try await sandbox.agent(arguments).status == 64)
        }
        await sandbox.end()
    }
}
