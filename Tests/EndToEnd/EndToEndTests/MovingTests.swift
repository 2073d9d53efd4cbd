import ACME
import AgentClient
import Foundation
import KeyNameLiterals
import Testing

/// The recipe "Moving to a new HSM" of operations.md, with two tokens of SoftHSM.
@Suite struct MovingTests {
    /// What a TLS 1.3 server signs (RFC 8446 §4.4.3).
    private static let content =
        [UInt8](repeating: 0x20, count: 64) + Array("TLS 1.3, server CertificateVerify".utf8) + [0] + [UInt8](repeating: 7, count: 32)

    private func sign(_ sandbox: Sandbox, _ key: KeyName) async throws -> Bool {
        let client = try await AgentClient.connect(socket: sandbox.environment["ACME_AGENT_SOCKET"] ?? "")
        let signature = try? await client.handshake(key: key, content: Self.content, scheme: "ecdsa_secp256r1_sha256")
        await client.close()
        return signature != nil
    }

    /// Each key's token.
    private func keys(_ sandbox: Sandbox) async throws -> [String: (token: String, state: String)] {
        let listed = try await sandbox.agent("keys", "list", "--json")
        var keys: [String: (token: String, state: String)] = [:]
        for key in listed.json["keys"] as? [[String: Any]] ?? [] {
            keys[key["name"] as? String ?? ""] = (key["token"] as? String ?? "", key["state"] as? String ?? "")
        }
        return keys
    }

    private func reload(_ sandbox: Sandbox, until tokens: [String]) async throws {
        kill(try sandbox.daemon, SIGHUP)
        for _ in 0..<200 {
            let status = try await sandbox.agent("status", "--json")
            let found = (status.json["agent"] as? [String: Any])?["tokens"] as? [[String: Any]] ?? []
            if found.compactMap({ $0["name"] as? String }) == tokens, found.allSatisfy({ $0["state"] as? String == "ready" }) { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("the tokens are not \(tokens): \(try await sandbox.agent("status"))")
    }

    @Test func everythingMovesWhileTheOldKeysServe() async throws {
        let recipe = try BackupTests.section("## Moving to a new HSM")
        let commands = recipe.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { $0.hasPrefix("acme-agent ") }
        let sandbox = try await Sandbox()
        var done = 0
        /// Runs the recipe's next command.
        func next(_ wanted: String) async throws -> Outcome {
            try #require(
                done < commands.count && commands[done] == wanted, "operations.md has \(commands.dropFirst(done).first ?? "nothing")")
            done += 1
            let outcome = try await sandbox.agent(wanted.split(separator: " ").dropFirst().map(String.init))
            #expect(outcome.status == 0, "\(wanted): \(outcome)")
            return outcome
        }
        for command in [["account", "register", "--agree-tos"], ["issue", "-d", "www.example.org"]] {
            let outcome = try await sandbox.agent(command)
            try #require(outcome.status == 0, "\(outcome)")
        }
        let old = try await keys(sandbox)
        let account = try #require(old.keys.first { $0.hasPrefix("account-") })
        #expect(old.count == 2 && old.values.allSatisfy { $0.token == "softhsm" })

        // The new token is the first, so new keys are made there.
        let file = sandbox.folder + "/acme-agentd.toml"
        let before = try String(contentsOfFile: file, encoding: .utf8)
        let made = try await sandbox.shell(
            "'\(Program.root)/softhsm/token-up' \"$SANDBOX_DIR/token\" second 8765 >/dev/null; cat \"$SANDBOX_DIR/token/second.pin\"")
        try #require(made.status == 0, "\(made)")
        let start = try #require(before.range(of: "[[token]]")), end = try #require(before.range(of: "\n\n[[external-account]]"))
        let entry = String(before[start.lowerBound..<end.lowerBound])
        let second = entry.replacingOccurrences(of: "name = \"softhsm\"", with: "name = \"second\"")
            .replacingOccurrences(of: "token=sandbox", with: "token=second").replacingOccurrences(of: "sandbox.pin", with: "second.pin")
        try before.replacingOccurrences(of: entry, with: second + "\n\n" + entry).write(toFile: file, atomically: false, encoding: .utf8)
        try await reload(sandbox, until: ["second", "softhsm"])
        #expect(try await sign(sandbox, "www.example.org"))

        _ = try await next("acme-agent account rollover")
        _ = try await next("acme-agent renew --all --new-key --force")
        var now = try await keys(sandbox)
        let newAccount = try #require(now.first { $0.key.hasPrefix("account-") && $0.value.state == "active" }?.key)
        #expect(newAccount != account && now[newAccount]?.token == "second" && now["www.example.org-2"]?.token == "second", "\(now)")
        #expect(now["www.example.org"]?.state == "active" && now[account]?.state == "retired", "\(now)")
        // Servers that have not loaded the new certificate go on.
        #expect(try await sign(sandbox, "www.example.org"))
        #expect(try await sign(sandbox, "www.example.org-2"))

        _ = try await next("acme-agent keys list")
        _ = try await next("acme-agent keys delete www.example.org --yes")
        let deleted = try await sandbox.agent("keys", "delete", account, "--yes")
        #expect(deleted.status == 0, "\(deleted)")
        #expect(commands.dropFirst(done).first?.hasPrefix("acme-agent keys delete account-") == true)
        done += 1
        #expect(try await !sign(sandbox, "www.example.org"))

        // The old entry goes.
        try before.replacingOccurrences(of: entry, with: second).write(toFile: file, atomically: false, encoding: .utf8)
        try await reload(sandbox, until: ["second"])
        _ = try await next("acme-agent renew --all --force")
        _ = try await next("acme-agent status --check")
        _ = try await next("acme-agent audit verify")
        #expect(done == commands.count, "\(commands.dropFirst(done))")
        now = try await keys(sandbox)
        #expect(now.count == 2 && now.values.allSatisfy { $0.token == "second" && $0.state == "active" }, "\(now)")
        await sandbox.end()
    }
}
