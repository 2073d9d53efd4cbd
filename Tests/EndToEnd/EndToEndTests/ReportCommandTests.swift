import Foundation
import Testing

/// `acme-agent report` with a real agent; what the page looks like is tested with made-up facts (ReportTests).
@Suite struct ReportCommandTests {
    private func mode(_ file: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int)
    }

    @Test func thePageHasWhatTheAgentTheStoreAndTheTrailSay() async throws {
        let sandbox = try await Sandbox()
        let narrowed = try await sandbox.shell(
            "sed -i 's/^identifiers = .*/identifiers = [\"*.example.org\"]/' \"$SANDBOX_DIR/acme-agentd.toml\"")
        try #require(narrowed.status == 0)
        try await sandbox.stopDaemon()
        try await sandbox.restartDaemon()
        try #require(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        try #require(try await sandbox.agent("issue", "-d", "www.example.org").status == 0)
        #expect(try await sandbox.agent("issue", "-d", "www.example.edu").status == 2)
        let file = sandbox.folder + "/report.html", trail = sandbox.folder + "/agentd/audit/audit.jsonl"

        let written = try await sandbox.agent("report", "--html", file)
        #expect(written.status == 0 && !written.error.contains("error") && written.output.hasPrefix("wrote \(file)"), "\(written)")
        #expect(try mode(file) == 0o600)
        var page = try String(contentsOfFile: file, encoding: .utf8)
        for text in ["www.example.org", "orders and challenges", "www.example.edu", "The last refusals", "softhsm"] {
            #expect(page.contains(text), "\(text)")
        }
        // The head is that of the trail.
        let head =
            try #require(try await sandbox.agent("audit", "verify", trail, "--json").json["audit"] as? [String: Any])["head"] as? String
        #expect(page.contains(try #require(head)))

        // A page is replaced, whatever its mode was; another file is not, unless that is wanted.
        #expect(chmod(file, 0o644) == 0)
        #expect(try await sandbox.agent("report", "--html", file, "--audit-file", trail).status == 0)
        #expect(try mode(file) == 0o600)
        page = try String(contentsOfFile: file, encoding: .utf8)
        #expect(page.contains("the chain of all records that were read is whole") && page.contains("audit.jsonl"))
        let other = sandbox.folder + "/other.html"
        try "<!DOCTYPE html>\nmine".write(toFile: other, atomically: true, encoding: .utf8)
        let kept = try await sandbox.agent("report", "--html", other)
        #expect(kept.status == 64 && kept.error.contains("--force"), "\(kept)")
        #expect(try String(contentsOfFile: other, encoding: .utf8).hasSuffix("mine"))
        #expect(try await sandbox.agent("report", "--html", other, "--force").status == 0)
        #expect(try String(contentsOfFile: other, encoding: .utf8).contains("www.example.org"))

        // What cannot be read may be anything; root reads all.
        if geteuid() != 0 {
            #expect(chmod(other, 0o200) == 0)
            #expect(try await sandbox.agent("report", "--html", other).status == 64)
            #expect(try mode(other) == 0o200)
        }

        // On standard output, and as JSON.
        let printed = try await sandbox.agent("report", "--html", "-")
        #expect(printed.status == 0 && printed.output.hasPrefix("<!DOCTYPE html>") && printed.output.hasSuffix("</html>\n"))
        #expect(try await sandbox.agent("report", "--html", "-", "--json").status == 64)
        let report = try #require(try await sandbox.agent("report", "--json").json["report"] as? [String: Any])
        let activity = try #require(report["activity"] as? [String: Any])
        #expect(
            (activity["signatures"] as? Int ?? 0) > 5 && activity["refused"] as? Int == 1 && (report["missing"] as? [Any])?.isEmpty == true)
        #expect((report["certificates"] as? [Any])?.count == 1 && (report["keys"] as? [Any])?.count == 2)

        // A changed trail is said, and what was read before that place is shown.
        let broken = sandbox.folder + "/broken.jsonl"
        let text = try String(contentsOfFile: trail, encoding: .utf8)
        try text.replacingOccurrences(of: "\"www.example.edu\"", with: "\"www.example.com\"")
            .write(toFile: broken, atomically: true, encoding: .utf8)
        let changed = try await sandbox.agent("report", "--html", file, "--audit-file", broken)
        #expect(changed.status == 1 && changed.error.contains("the audit trail is broken"), "\(changed)")
        #expect(try String(contentsOfFile: file, encoding: .utf8).contains("cannot be trusted"))

        // Without the agent there are the certificates, and the reason.
        let alone = try await sandbox.agent("--socket", sandbox.folder + "/nobody.sock", "report", "--html", file)
        #expect(alone.status == 3 && alone.error.contains("nobody.sock"), "\(alone)")
        page = try String(contentsOfFile: file, encoding: .utf8)
        #expect(page.contains("www.example.org") && page.contains("nobody.sock does not exist"))

        // Without read-audit there is a page without the trail, and that is no failure.
        let configuration = sandbox.folder + "/acme-agentd.toml"
        let grants = try String(contentsOfFile: configuration, encoding: .utf8)
        try grants.replacingOccurrences(of: ", \"read-audit\"", with: "").replacingOccurrences(of: ", \"read-metrics\"", with: "")
            .write(toFile: configuration, atomically: false, encoding: .utf8)
        func refusals() throws -> Int {
            try String(contentsOfFile: trail, encoding: .utf8).split(separator: "\n").count { $0.contains("\"kind\":\"refusal\"") }
        }
        kill(try sandbox.daemon, SIGHUP)
        var withheld = try await sandbox.agent("report", "--html", file)
        for _ in 0..<50 where !withheld.error.contains("the audit trail: ") {
            try await Task.sleep(for: .milliseconds(100))
            withheld = try await sandbox.agent("report", "--html", file)
        }
        #expect(withheld.status == 0 && withheld.error.contains("the audit trail: "), "\(withheld)")
        page = try String(contentsOfFile: file, encoding: .utf8)
        #expect(page.contains("Signatures cannot be shown without the audit trail") && page.contains("www.example.org"))
        #expect(withheld.error.contains("metrics: no grant lets you do \"read-metrics\"") && page.contains("times cannot be shown"))
        // The agent is not asked for what it would refuse and record.
        let before = try refusals()
        #expect(try await sandbox.agent("report", "--html", file).status == 0)
        #expect(try refusals() == before)
        await sandbox.end()
    }
}
