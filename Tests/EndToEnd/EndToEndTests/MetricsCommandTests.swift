import Foundation
import Testing

/// `acme-agent metrics`, read by Prometheus's own tool, and the alert rules that are installed.
@Suite struct MetricsCommandTests {
    private static let promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// The value of one series, its labels in the order of their names.
    private func value(_ series: String, in text: String) -> Double? {
        text.split(separator: "\n").first { $0.hasPrefix(series + " ") }.flatMap { Double($0.dropFirst(series.count + 1)) }
    }

    @Test func figuresOfAgentAndStoreArePrinted() async throws {
        let sandbox = try await Sandbox()
        try #require(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        try #require(try await sandbox.agent("issue", "-d", "www.example.org").status == 0)
        let printed = try await sandbox.agent("metrics")
        #expect(printed.status == 0 && printed.error == "", "\(printed)")
        #expect(value("acme_agent_reachable", in: printed.output) == 1)
        #expect(value("acme_agent_metrics_refused", in: printed.output) == 0)
        let store = sandbox.folder + "/state", labels = #"{certificate="www.example.org",store="\#(store)"}"#
        let end = try #require(
            value("acme_agent_certificate_not_after_timestamp_seconds\(labels)", in: printed.output), "\(printed)")
        let renewal = try #require(value("acme_agent_certificate_renewal_timestamp_seconds\(labels)", in: printed.output))
        #expect(end > Date().timeIntervalSince1970 && renewal < end)
        #expect(printed.output.contains(#"purpose="finalize""#) && printed.output.contains(#"key="www.example.org""#))
        if let promtool = Self.promtool {
            try printed.output.write(toFile: sandbox.folder + "/metrics.txt", atomically: true, encoding: .utf8)
            let checked = try await sandbox.shell("'\(promtool)' check metrics <'\(sandbox.folder)/metrics.txt'")
            #expect(checked.status == 0 && checked.output == "" && checked.error == "", "\(checked)")
        }

        // As node_exporter takes them; other files it does not read.
        let file = sandbox.folder + "/acme-agent.prom"
        let written = try await sandbox.agent("metrics", "--textfile", file)
        #expect(written.status == 0 && written.output == "", "\(written)")
        let content = try String(contentsOfFile: file, encoding: .utf8)
        #expect(value("acme_agent_reachable", in: content) == 1)
        let mode = try await sandbox.shell("stat -c %a '\(file)'")
        #expect(mode.output == "644\n", "\(mode)")
        #expect(try await sandbox.agent("metrics", "--textfile", sandbox.folder + "/metrics.txt").status == 64)
        #expect(try await sandbox.agent("metrics", "--textfile", "/nowhere/acme-agent.prom").status == 1)

        // What a dead daemon looks like to an alert rule.
        let alone = try await sandbox.agent("--socket", sandbox.folder + "/nobody.sock", "metrics")
        #expect(alone.status == 3 && value("acme_agent_reachable", in: alone.output) == 0, "\(alone)")
        #expect(value("acme_agent_metrics_refused", in: alone.output) == nil)
        #expect(alone.output.contains("acme_agent_certificate_not_after_timestamp_seconds{"))
        let unasked = try await sandbox.agent("--socket", sandbox.folder + "/nobody.sock", "metrics", "--without-agent", "--json")
        #expect(unasked.status == 0 && (unasked.json["metrics"] as? String)?.contains("acme_agent_reachable") == false, "\(unasked)")

        // Policy says who reads them.
        let configuration = sandbox.folder + "/acme-agentd.toml"
        let text = try String(contentsOfFile: configuration, encoding: .utf8)
        try text.replacingOccurrences(of: ", \"read-metrics\"", with: "").write(toFile: configuration, atomically: false, encoding: .utf8)
        kill(try sandbox.daemon, SIGHUP)
        var refused = try await sandbox.agent("metrics")
        for _ in 0..<50 where refused.status == 0 {
            try await Task.sleep(for: .milliseconds(100))
            refused = try await sandbox.agent("metrics")
        }
        #expect(refused.status == 2 && refused.error.contains("read-metrics"), "\(refused)")
        #expect(value("acme_agent_reachable", in: refused.output) == 1 && !refused.output.contains("acme_agent_signatures_total"))
        #expect(value("acme_agent_metrics_refused", in: refused.output) == 1)
        await sandbox.end()
    }

    /// Each rule fires for what it is about, and not for a healthy agent.
    @Test(.enabled(if: promtool != nil, "needs promtool")) func alertRulesFireWhenTheyShould() async throws {
        let promtool = try #require(Self.promtool)
        for line in [
            "'\(promtool)' check rules Config/prometheus/acme-agent.rules.yml",
            "'\(promtool)' test rules Tests/EndToEnd/AlertRules/acme-agent.rules.test.yml",
        ] {
            let checked = try await Program.run("/bin/bash", ["-euc", line], environment: Program.environment)
            #expect(checked.status == 0, "\(checked)")
        }
        // Every rule is tried.
        let rules = try String(contentsOfFile: "Config/prometheus/acme-agent.rules.yml", encoding: .utf8)
        let tests = try String(contentsOfFile: "Tests/EndToEnd/AlertRules/acme-agent.rules.test.yml", encoding: .utf8)
        let names = rules.split(separator: "\n").compactMap { $0.split(separator: "alert: ").dropFirst().first }
        #expect(names.count >= 17)
        for name in names { #expect(tests.contains("alertname: \(name)\n        exp_alerts:\n          - "), "\(name)") }
    }

    /// Rules, dashboard and document name only figures that there are.
    @Test func onlyFiguresThatExistAreNamed() async throws {
        let known = try await Program.run(
            "/bin/bash",
            [
                "-euc",
                "grep -ohE '\"acme_agent_[a-z_]+\"' Sources/Daemon/AgentService/Metrics/*.swift Sources/FrontEnd/acme-agent/Commands/Metrics/*.swift | tr -d '\"' | sort -u",
            ], environment: Program.environment)
        let names = Set(known.output.split(separator: "\n").map(String.init))
        #expect(names.count > 25)
        var documented: Set<String> = []
        for file in ["Config/prometheus/acme-agent.rules.yml", "Config/prometheus/dashboard.json", "Docs/metrics.md"] {
            let used = try await Program.run(
                "/bin/bash", ["-euc", "grep -ohE 'acme_agent_[a-z_]+' '\(file)' | sort -u"], environment: Program.environment)
            for name in used.output.split(separator: "\n").map(String.init) {
                let base = ["_bucket", "_sum", "_count"].reduce(name) { $0.hasSuffix($1) ? String($0.dropLast($1.count)) : $0 }
                #expect(names.contains(base), "\(file) names \(name)")
                if file.hasSuffix(".md") { documented.insert(base) }
            }
        }
        #expect(documented == names, "\(names.symmetricDifference(documented))")
    }
}
