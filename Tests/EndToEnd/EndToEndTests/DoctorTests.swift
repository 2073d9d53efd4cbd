import Foundation
import ProcessWaiting
import Testing

/// `acme-agent doctor` with a real agent, CA and DNS server.
@Suite struct DoctorTests {
    /// The findings for a check that are not in order, as `state: message`.
    private func findings(_ outcome: Outcome, _ check: String) -> [String] {
        ((outcome.json["checks"] as? [[String: Any]]) ?? []).filter { $0["check"] as? String == check }.map {
            "\($0["state"] ?? ""): \($0["message"] ?? "")"
        }
    }

    @Test func whatIsWrongIsNamedWithItsMend() async throws {
        let sandbox = try await Sandbox(), front = try await CAInFront(sandbox), own = try front.settings(sandbox)
        try front.behave(#"{"caa": ["ca.example"]}"#)
        func doctor(_ more: String...) async throws -> Outcome {
            let resolver = "127.0.0.1:\(sandbox.environment["DNS_PORT"] ?? "")"
            return try await sandbox.agent(["doctor", "--json", "--dns-resolver", resolver] + more, environment: own)
        }
        // Before there is an account.
        var outcome = try await doctor()
        #expect(outcome.status == 6, "\(outcome)")
        #expect(findings(outcome, "agent").first?.hasPrefix("ok: acme-agentd ") == true, "\(outcome)")
        #expect(findings(outcome, "grants").first?.hasPrefix("ok: ") == true, "\(outcome)")
        #expect(findings(outcome, "account") == ["failed: there is no account"], "\(outcome)")
        #expect(findings(outcome, "clock") == ["ok: agrees with the CA's"], "\(outcome)")

        for command in [["account", "register", "--agree-tos"], ["issue", "-d", "www.example.org"]] {
            let done = try await sandbox.agent(command, environment: own)
            try #require(done.status == 0, "\(done)")
        }
        // A server with another certificate.
        let port = try await sandbox.shell(
            """
            cd "$SANDBOX_DIR"; . '\(Program.root)/Tests/Sandbox/processes'; program=test
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=www.example.org -keyout other.key -out other.pem 2>/dev/null
            port=$(free_port)
            start_process served openssl s_server -quiet -accept "127.0.0.1:$port" -cert other.pem -key other.key
            answers() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
            wait_until 20 answers
            echo "$port"
            """)
        try #require(port.status == 0, "\(port)")
        let served = port.output.trimmingCharacters(in: .whitespacesAndNewlines)
        chmod(sandbox.folder + "/state/accounts", 0o755)
        outcome = try await doctor("--connect", "127.0.0.1:\(served)")
        #expect(outcome.status == 6, "\(outcome)")
        #expect(
            findings(outcome, "served").first?.hasPrefix("failed: 127.0.0.1:\(served) serves another certificate") == true, "\(outcome)")
        #expect(findings(outcome, "store") == ["failed: others may enter \(sandbox.folder)/state/accounts"], "\(outcome)")
        #expect(findings(outcome, "dns") == ["ok: 127.0.0.1"], "\(outcome)")
        #expect(findings(outcome, "account").first?.contains("/my-account/") == true, "\(outcome)")
        #expect(findings(outcome, "certificates").first?.hasPrefix("ok: valid until ") == true, "\(outcome)")
        #expect(findings(outcome, "challenges") == ["ok: http-01 can be set up"], "\(outcome)")
        #expect(findings(outcome, "hooks").isEmpty && findings(outcome, "persist").isEmpty, "\(outcome)")
        chmod(sandbox.folder + "/state/accounts", 0o700)

        // CAA records of the name above it, which name another CA.
        let set = try await sandbox.shell(
            #"curl -fsS -d '{"host":"example.org","policies":[{"tag":"issue","value":"other.example"}]}' "$CHALLTESTSRV/add-caa""#)
        try #require(set.status == 0, "\(set)")
        outcome = try await doctor()
        #expect(
            findings(outcome, "caa") == ["failed: the CAA records of example.org name other.example, not ca.example"],
            "\(outcome)")

        // A hook that anybody may change, one that is gone, and a record of dns-persist-01 that is missing.
        let hook = sandbox.folder + "/hook"
        try "#!/bin/sh\n".write(toFile: hook, atomically: true, encoding: .utf8)
        chmod(hook, 0o777)
        let path = try #require(own["ACME_AGENT_CONFIG"]), plain = try String(contentsOfFile: path, encoding: .utf8)
        let part = "deploy-hook = \"\(hook)\"\nfailure-hook = \"\(hook)-gone\"\ndns-persist = true\n"
        try (plain + "\n[[certificate]]\nname = \"www.example.org\"\n" + part).write(toFile: path, atomically: true, encoding: .utf8)
        #expect(findings(outcome, "ports").allSatisfy { $0 == "ok: is free for the built-in listener" }, "\(outcome)")
        outcome = try await doctor()
        let hooks = findings(outcome, "hooks")
        #expect(
            hooks.first == "failed: \(hook) is not run: it can be written by users other than its owner (chmod go-w \(hook))"
                && hooks.count == 2
                && hooks.last?.hasPrefix("failed: ") == true, "\(outcome)")
        #expect(findings(outcome, "persist").first?.contains("_validation-persist.www.example.org") == true, "\(outcome)")
        // A listener on a port that a server has.
        let taken = "\n[[certificate]]\nname = \"www.example.org\"\nhttp01-address = \"127.0.0.1:\(served)\"\n"
        try (plain + taken).write(toFile: path, atomically: true, encoding: .utf8)
        outcome = try await doctor()
        #expect(findings(outcome, "ports").first?.hasPrefix("failed: another program listens there") == true, "\(outcome)")
        try plain.write(toFile: path, atomically: true, encoding: .utf8)

        // The agent is down.
        try await sandbox.stopDaemon()
        outcome = try await doctor()
        #expect(outcome.status == 6 && findings(outcome, "agent").first?.hasPrefix("failed: ") == true, "\(outcome)")
        await front.end()
        await sandbox.end()
    }
}
