import Foundation
import Testing

/// What happens to the real programs, read from their metrics: what alerts and panels rest on is made to happen.
@Suite struct MetricValueTests {
    /// The value of one series, its labels in the order of their names.
    private func value(_ series: String, in text: String) -> Double? {
        text.split(separator: "\n").first { $0.hasPrefix(series + " ") }.flatMap { Double($0.dropFirst(series.count + 1)) }
    }

    /// Reads a series until it is as wished: the agent's values are up to a second old.
    /// - Returns: its last value.
    private func read(_ series: String, in sandbox: Sandbox, until wish: (Double) -> Bool) async throws -> Double? {
        var last: Double?
        for _ in 0..<100 {
            let text = try await sandbox.agent("metrics").output
            last = value(series, in: text)
            if let last, wish(last) { break }
            try await Task.sleep(for: .milliseconds(100))
        }
        return last
    }

    private func expect(_ series: String, _ expected: Double, in sandbox: Sandbox) async throws {
        let seen = try await read(series, in: sandbox) { $0 == expected }
        #expect(seen == expected, "\(series)")
    }

    /// Changes the daemon's configuration and has it read again.
    private func change(_ sandbox: Sandbox, _ body: (String) -> String) throws {
        let file = sandbox.folder + "/acme-agentd.toml"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try body(text).write(toFile: file, atomically: false, encoding: .utf8)
        kill(try sandbox.daemon, SIGHUP)
    }

    // MARK: The agent

    /// A helper that is killed is started again and logs in; one that does not answer leaves signatures waiting.
    @Test func theTokensState() async throws {
        let sandbox = try await Sandbox(), token = #"{token="softhsm"}"#
        try await sandbox.stopDaemon()
        let changed = try await sandbox.shell("sed -i 's/^pin-source/pool = 1\\n&/' \"$SANDBOX_DIR/acme-agentd.toml\"")
        try #require(changed.status == 0, "\(changed)")
        try await sandbox.restartDaemon()
        try #require(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        try await expect("acme_agent_token_ready\(token)", 1, in: sandbox)
        try await expect("acme_agent_token_logins_total\(token)", 1, in: sandbox)
        try await expect("acme_agent_token_restarts_total\(token)", 0, in: sandbox)
        kill(try await sandbox.helper, SIGKILL)
        try await expect("acme_agent_token_restarts_total\(token)", 1, in: sandbox)
        try await expect("acme_agent_token_logins_total\(token)", 2, in: sandbox)
        try await expect("acme_agent_token_ready\(token)", 1, in: sandbox)

        // One link has at most four in hand. A helper that owes an answer for ten seconds would be killed; if the six are
        // not there in time, on a loaded machine, it goes on and is stopped once more.
        var hand = 0.0, waiting = 0.0
        for _ in 0..<5 where hand + waiting != 6 {
            let helper = try await sandbox.helper
            kill(helper, SIGSTOP)
            let end = ContinuousClock.now + .seconds(7)
            let callers = try (0..<6).map { _ in try sandbox.start("account", "show") }
            repeat {
                let text = try await sandbox.agent("metrics").output
                hand = value("acme_agent_token_requests_in_hand\(token)", in: text) ?? 0
                waiting = value("acme_agent_token_waiting_requests\(token)", in: text) ?? 0
                try await Task.sleep(for: .milliseconds(100))
            } while hand + waiting < 6 && ContinuousClock.now < end
            kill(helper, SIGCONT)
            for caller in callers {
                let shown = await caller.end()
                #expect(shown.status == 0, "\(shown)")
            }
        }
        #expect((1...4).contains(hand) && hand + waiting == 6, "\(hand) in hand, \(waiting) waiting")
        try await expect("acme_agent_token_requests_in_hand\(token)", 0, in: sandbox)
        try await expect("acme_agent_token_waiting_requests\(token)", 0, in: sandbox)
        await sandbox.end()
    }

    /// Fetches do not wait for the disk: while they go on, some records are not there yet, and soon after the last all are.
    @Test func theTrailsLag() async throws {
        let sandbox = try await Sandbox()
        try #require(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        let stop = sandbox.folder + "/stop"
        let line = "until [ -e '\(stop)' ]; do '\(Program.folder)/acme-agent' account show >/dev/null 2>&1 || exit 1; done"
        let load = try (0..<4).map { _ in try Program.start("/bin/bash", ["-c", line], environment: sandbox.environment) }
        let lag = try await read("acme_agent_trail_unsynced_records", in: sandbox) { $0 > 0 }
        #expect(lag ?? 0 > 0, "no record was ever behind")
        try Data().write(to: URL(fileURLWithPath: stop))
        for loop in load {
            let ended = await loop.end()
            #expect(ended.status == 0, "\(ended)")
        }
        try await expect("acme_agent_trail_unsynced_records", 0, in: sandbox)
        await sandbox.end()
    }

    @Test func theConfigurationsState() async throws {
        let sandbox = try await Sandbox()
        try await expect("acme_agent_configuration_entries_off", 0, in: sandbox)
        try await expect("acme_agent_configuration_reload_refused", 0, in: sandbox)
        try change(sandbox) {
            "connections-per-user = 2\n" + $0
                + "\n[[grant]]\nname = \"gone\"\nusers = [\"no-such-user\"]\nkeys = [\"*\"]\noperations = [\"list-keys\"]\n"
        }
        try await expect("acme_agent_configuration_entries_off", 1, in: sandbox)
        try await expect("acme_agent_configuration_reload_refused", 0, in: sandbox)

        // Two that stay leave no room for a third of this user's.
        let followers = try (0..<2).map { _ in try sandbox.start("audit", "tail", "--follow") }
        var third = try await sandbox.agent("keys", "list")
        for _ in 0..<100 where third.status == 0 {
            try await Task.sleep(for: .milliseconds(50))
            third = try await sandbox.agent("keys", "list")
        }
        #expect(third.status == 3, "\(third)")
        for follower in followers { kill(follower.process.processIdentifier, SIGTERM) }
        for follower in followers { _ = await follower.end() }
        let refused = try await read(#"acme_agent_refused_connections_total{reason="limit-of-user"}"#, in: sandbox) { $0 >= 1 }
        #expect(refused ?? 0 >= 1)

        // What is refused leaves what was in force.
        try change(sandbox) { $0 + "\nnonsense = 1\n" }
        try await expect("acme_agent_configuration_reload_refused", 1, in: sandbox)
        try await expect("acme_agent_configuration_entries_off", 1, in: sandbox)
        await sandbox.end()
    }

    // MARK: The store

    /// The same certificate fails for three reasons, one after the other.
    @Test func failedAttemptsByCause() async throws {
        // No authorization is reused: a name is validated again for each order.
        let sandbox = try await Sandbox(pebble: ["PEBBLE_AUTHZREUSE": "0"]), front = try await CAInFront(sandbox)
        let own = try front.settings(sandbox), name = "www.example.org", store = sandbox.folder + "/state"
        let hook = sandbox.folder + "/hook", record = "\(store)/renewals/\(name).json"
        try "#!/bin/sh\n[ ! -e '\(hook)-fails' ]\n".write(toFile: hook, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: hook)
        var outcome = try await sandbox.agent("account", "register", "--agree-tos", environment: own)
        try #require(outcome.status == 0, "\(outcome)")
        outcome = try await sandbox.agent("issue", "-d", name, "--deploy-hook", hook, environment: own)
        try #require(outcome.status == 0, "\(outcome)")
        try front.behave(#"{"window": [-7200, -3600]}"#)

        /// Renews, and reads the one failure and when the next attempt is made; afterwards it is as if nothing had failed.
        func fail(_ cause: String, _ status: Int32, _ settings: [String: String]) async throws {
            let begin = Date().timeIntervalSince1970
            let renewed = try await sandbox.agent("renew", "--all", environment: settings)
            #expect(renewed.status == status, "\(cause): \(renewed)")
            let text = try await sandbox.agent("metrics").output
            let certificate = "certificate=\"\(name)\",store=\"\(store)\"}", ca = "{ca=\"\(front.directory)\","
            #expect(value("acme_agent_certificate_failures\(ca)cause=\"\(cause)\",\(certificate)", in: text) == 1, "\(text)")
            #expect(text.components(separatedBy: "\nacme_agent_certificate_failures{").count == 2, "\(text)")
            let next = try #require(value("acme_agent_certificate_next_attempt_timestamp_seconds\(ca)\(certificate)", in: text), "\(text)")
            #expect(next > begin, "\(cause)")
            let shown = try await sandbox.agent("show", name)
            #expect(shown.output.contains("(\(cause)): "), "\(shown)")
            try FileManager.default.removeItem(atPath: record)
        }
        func attention(_ reason: String) -> String {
            "acme_agent_certificate_attention{certificate=\"\(name)\",reason=\"\(reason)\",store=\"\(store)\"}"
        }

        // No grant for the name.
        try change(sandbox) { $0.replacingOccurrences(of: #"identifiers = ["*"]"#, with: #"identifiers = ["other.example.org"]"#) }
        try await expect(attention("not-granted"), 1, in: sandbox)
        try await fail("policy", 2, own)
        try change(sandbox) { $0.replacingOccurrences(of: #"identifiers = ["other.example.org"]"#, with: #"identifiers = ["*"]"#) }
        var text = try await sandbox.agent("metrics").output
        for _ in 0..<100 where text.contains(attention("not-granted")) {
            try await Task.sleep(for: .milliseconds(100))
            text = try await sandbox.agent("metrics").output
        }

        // A folder that no web server serves.
        let configuration = try #require(own["ACME_AGENT_CONFIG"])
        let served = try String(contentsOfFile: configuration, encoding: .utf8).split(separator: "\n").map {
            $0.hasPrefix("http01-address") ? "webroot = \"\(sandbox.folder)/web\"" : String($0)
        }
        try FileManager.default.createDirectory(atPath: sandbox.folder + "/web", withIntermediateDirectories: false)
        try (served.joined(separator: "\n") + "\n").write(toFile: configuration + ".web", atomically: true, encoding: .utf8)
        try await fail("validation", 5, own.merging(["ACME_AGENT_CONFIG": configuration + ".web"]) { _, new in new })

        // It is renewed, and its hook fails.
        try Data().write(to: URL(fileURLWithPath: hook + "-fails"))
        try await fail("deployment", 1, own)
        try await expect(attention("hook-failed"), 1, in: sandbox)
        await front.end()
        await sandbox.end()
    }

    /// An order whose command was killed while it set up the challenge, and a file that cannot be read.
    @Test func whatIsUnfinishedOrDamaged() async throws {
        let sandbox = try await Sandbox(), labels = "{store=\"\(sandbox.folder)/state\"}"
        try #require(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        try await expect("acme_agent_store_interrupted_orders\(labels)", 0, in: sandbox)
        try await expect("acme_agent_store_damaged\(labels)", 0, in: sandbox)
        let hook = sandbox.folder + "/dns-hook", started = sandbox.folder + "/started"
        try "#!/bin/sh\ntouch '\(started)'\nexec sleep 10\n".write(toFile: hook, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: hook)
        let issue = try sandbox.start("issue", "-d", "slow.example.org", "--dns-hook", hook)
        for _ in 0..<300 where !FileManager.default.fileExists(atPath: started) { try await Task.sleep(for: .milliseconds(50)) }
        try #require(FileManager.default.fileExists(atPath: started))
        kill(issue.process.processIdentifier, SIGKILL)
        _ = await issue.end()
        try await expect("acme_agent_store_interrupted_orders\(labels)", 1, in: sandbox)
        try "{".write(toFile: sandbox.folder + "/state/orders/broken.example.org.json", atomically: true, encoding: .utf8)
        try await expect("acme_agent_store_damaged\(labels)", 1, in: sandbox)
        try await expect("acme_agent_store_interrupted_orders\(labels)", 1, in: sandbox)
        await sandbox.end()
    }
}
