import Foundation
import Testing

/// Renewals by themselves, as a timer and a long-running process do them: what the CA asks for, failures, a second CA.
@Suite struct RenewalTests {
    /// The certificate's generation.
    private func generation(_ sandbox: Sandbox, _ name: String = "www.example.org") async throws -> Int {
        let shown = try await sandbox.agent("show", name, "--json")
        let certificate = try #require(shown.json["certificate"] as? [String: Any], "\(shown)")
        return try #require(certificate["generation"] as? Int)
    }

    private func renewAll(_ sandbox: Sandbox, _ front: CAInFront, _ more: String...) async throws -> Outcome {
        try await sandbox.agent(["renew", "--all"] + more, environment: try front.settings(sandbox))
    }

    @Test func theCADecidesWhen() async throws {
        let sandbox = try await Sandbox(), front = try await CAInFront(sandbox)
        let own = try front.settings(sandbox)
        try front.behave(#"{"window": [86400, 172800], "retry-after": "86400", "explanation": "https://ca.example/why"}"#)
        var outcome = try await sandbox.agent("account", "register", "--agree-tos", environment: own)
        try #require(outcome.status == 0, "\(outcome)")
        outcome = try await sandbox.agent("issue", "-d", "www.example.org", environment: own)
        try #require(outcome.status == 0, "\(outcome)")

        // In the CA's window, and the same moment each time; asked once.
        outcome = try await renewAll(sandbox, front, "--json")
        let entry = try #require((outcome.json["notDue"] as? [[String: Any]])?.first, "\(outcome)")
        let moment = try #require(ISO8601DateFormatter().date(from: entry["renewalDue"] as? String ?? ""))
        #expect((86_000..<173_000).contains(moment.timeIntervalSinceNow))
        #expect(try await renewAll(sandbox, front).output.contains("the CA explains: https://ca.example/why"))
        #expect(try await renewAll(sandbox, front, "--json").output == outcome.output)
        #expect(front.log.filter { $0.hasPrefix("GET /ari/") }.count == 1)
        #expect(try await generation(sandbox) == 1)

        // A window in the past renews now, and the order says what it replaces. Another certificate is another question.
        try FileManager.default.removeItem(atPath: sandbox.folder + "/state/renewals/www.example.org.json")
        try front.behave(#"{"window": [-7200, -3600], "retry-after": "60", "refuse-replaced": true}"#)
        outcome = try await renewAll(sandbox, front)
        #expect(outcome.status == 0, "\(outcome)")
        #expect(try await generation(sandbox) == 2)
        let orders = front.log.filter { $0.contains(" replaces ") }
        let asked = try #require(front.log.last { $0.hasPrefix("GET /ari/") }?.dropFirst("GET /ari/".count))
        #expect(orders.map { String($0.split(separator: " ").last ?? "") } == ["None", String(asked), "None"], "refused, so without")

        // What cannot be understood is no window.
        let backwards = #"{\"suggestedWindow\":{\"start\":\"2030-01-01T00:00:00Z\",\"end\":\"2029-01-01T00:00:00Z\"}}"#
        for raw in ["{}", "no JSON", backwards] {
            try FileManager.default.removeItem(atPath: sandbox.folder + "/state/renewals/www.example.org.json")
            try front.behave(#"{"raw": "\#(raw)"}"#)
            outcome = try await renewAll(sandbox, front)
            #expect(outcome.status == 0 && outcome.output.contains("not due until"), "\(outcome)")
        }
        #expect(try await generation(sandbox) == 2)
        await front.end()
        await sandbox.end()
    }

    @Test func aFailureWaitsAndASecondCAHelps() async throws {
        let sandbox = try await Sandbox(), first = try await CAInFront(sandbox), second = try await CAInFront(sandbox, name: "second")
        let configuration = try CAInFront.configure(
            sandbox,
            "default-ca = \"first\"\nsecond-ca = \"second\"",
            parts: """
                [[ca]]
                name = "first"
                directory = "\(first.directory)"
                ca-certificate = "\(sandbox.environment["CA_CERTIFICATE"] ?? "")"
                [[ca]]
                name = "second"
                directory = "\(second.directory)"
                ca-certificate = "\(sandbox.environment["CA_CERTIFICATE"] ?? "")"
                """)
        let own = ["ACME_AGENT_CONFIG": configuration, "ACME_DIRECTORY": ""]
        func agent(_ words: String...) async throws -> Outcome { try await sandbox.agent(words, environment: own) }
        for ca in ["first", "second"] {
            let registered = try await agent("account", "register", "--agree-tos", "--ca", ca)
            try #require(registered.status == 0, "\(registered)")
        }
        let issued = try await agent("issue", "-d", "www.example.org")
        try #require(issued.status == 0, "\(issued)")

        // The CA wants it replaced, but takes no orders for an hour.
        try first.behave(#"{"window": [-7200, -3600], "refuse-orders": [429, "rateLimited", "3600"]}"#)
        var outcome = try await agent("renew", "--all")
        #expect(outcome.status == 75, "\(outcome)")
        outcome = try await agent("renew", "--all", "--json")
        let waiting = try #require((outcome.json["postponed"] as? [[String: Any]])?.first, "\(outcome)")
        #expect(outcome.status == 75 && waiting["failures"] as? Int == 1, "\(outcome)")
        let until = try #require(ISO8601DateFormatter().date(from: waiting["until"] as? String ?? ""))
        #expect((3_400..<3_700).contains(until.timeIntervalSinceNow))
        #expect(second.log.filter { $0.contains(" replaces ") }.isEmpty, "one failure is not enough")

        // After the second failure the other CA is asked. A person's attempt does not count.
        outcome = try await agent("renew", "www.example.org", "--force")
        #expect(outcome.status == 75, "\(outcome)")
        try await failOnceMore(sandbox)
        outcome = try await agent("renew", "--all")
        #expect(outcome.status == 0, "\(outcome)")
        #expect(second.log.contains { $0.hasSuffix(" replaces None") }, "of another CA's certificate nothing is said")
        #expect(try await agent("show", "www.example.org").output.contains(second.directory))

        // The next renewal is the first CA's again.
        try first.behave("{}")
        outcome = try await agent("renew", "--all", "--force")
        #expect(outcome.status == 0, "\(outcome)")
        #expect(try await agent("show", "www.example.org").output.contains(first.directory))
        await first.end()
        await second.end()
        await sandbox.end()
    }

    /// As if the time until the next attempt had passed, and it had failed as well.
    private func failOnceMore(_ sandbox: Sandbox) async throws {
        let path = sandbox.folder + "/state/renewals/www.example.org.json"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try #require(text.contains(#""count":1"#), "\(text)")
        try Data(text.replacingOccurrences(of: #""count":1"#, with: #""count":2"#).utf8).write(to: URL(fileURLWithPath: path))
    }

    @Test func aProcessThatKeepsRunningRenews() async throws {
        let sandbox = try await Sandbox(), front = try await CAInFront(sandbox)
        let own = try front.settings(sandbox)
        try front.behave(#"{"window": [-7200, -3600], "retry-after": "60"}"#)
        var outcome = try await sandbox.agent("account", "register", "--agree-tos", environment: own)
        try #require(outcome.status == 0, "\(outcome)")
        outcome = try await sandbox.agent("issue", "-d", "www.example.org", environment: own)
        try #require(outcome.status == 0, "\(outcome)")
        let running = try Program.start(
            Program.folder + "/acme-agent", ["run"], environment: sandbox.environment.merging(own) { _, new in new })
        for _ in 0..<600 {
            if try await generation(sandbox) > 1 { break }
            try await Task.sleep(for: .milliseconds(100))
        }
        #expect(try await generation(sandbox) == 2)
        kill(running.process.processIdentifier, SIGTERM)
        let ended = await running.end()
        #expect(ended.status == 0 && ended.error.contains("renewed www.example.org, valid until"), "\(ended)")
        await front.end()
        await sandbox.end()
    }
}
