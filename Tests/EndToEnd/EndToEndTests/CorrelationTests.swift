import Foundation
import Testing

/// One identifier of a call from the command line to the audit trail and the log.
@Suite struct CorrelationTests {
    private static let marker = "acme-agent: in the agent's log and audit trail: correlation "

    private func correlation(_ outcome: Outcome) throws -> String {
        let line = try #require(outcome.error.split(separator: "\n").last { $0.hasPrefix(Self.marker) }, "\(outcome)")
        let id = String(line.dropFirst(Self.marker.count))
        #expect(id.split(separator: "-").count == 3 && id.split(separator: "-").allSatisfy { UInt64($0) != nil }, "\(id)")
        return id
    }

    @Test func aRefusalIsFoundInTrailAndLog() async throws {
        let sandbox = try await Sandbox()
        let changed = try await sandbox.shell(
            "sed -i 's/^identifiers = .*/identifiers = [\"*.example.org\"]/' \"$SANDBOX_DIR/acme-agentd.toml\"")
        try #require(changed.status == 0)
        try await sandbox.stopDaemon()
        try await sandbox.restartDaemon()
        let registered = try await sandbox.agent("account", "register", "--agree-tos")
        try #require(registered.status == 0, "\(registered)")
        let refused = try await sandbox.agent("issue", "-d", "www.example.com")
        #expect(refused.status == 2, "\(refused)")
        let id = try correlation(refused)

        let shown = try await sandbox.agent("audit", "show", "--correlation", id, "--json")
        #expect(shown.status == 0, "\(shown)")
        let record = shown.json
        #expect(record["kind"] as? String == "refusal" && record["correlation"] as? String == id, "\(shown)")
        #expect(record["identifiers"] as? [String] == ["www.example.com"], "\(shown)")
        let lines = sandbox.daemonLog.split(separator: "\n").filter { $0.contains(" correlation=\(id) ") }
        #expect(lines.count == 1 && lines.allSatisfy { $0.contains(" event=request-refused ") }, "\(lines)")

        // The same in JSON, of another call; the connection's calls are found together.
        let again = try await sandbox.agent("issue", "-d", "www.example.com", "--json")
        let error = try #require(again.json["error"] as? [String: Any], "\(again)")
        let other = try #require(error["correlation"] as? String, "\(again)")
        #expect(other != id && error["code"] as? String == "refused")
        let connection = id.split(separator: "-").dropLast().joined(separator: "-")
        let all = try await sandbox.agent("audit", "show", "--correlation", connection)
        #expect(all.status == 0 && all.output.contains(" refused new-order ") && !all.output.isEmpty, "\(all)")

        // No call has the identifier of one before the daemon was started again.
        try await sandbox.stopDaemon()
        try await sandbox.restartDaemon()
        let later = try correlation(try await sandbox.agent("issue", "-d", "www.example.com"))
        #expect(Set([id, other, later].compactMap { $0.split(separator: "-").first }).count == 2)
        let none = try await sandbox.agent("audit", "show", "--correlation", "\(connection)-99999")
        #expect(none.status == 1 && none.error.contains("the audit trail has no record of \(connection)-99999"), "\(none)")

        // What a command's calls have in common is there before anything fails.
        let verbose = try await sandbox.agent("keys", "list", "--verbose")
        #expect(verbose.error.contains("in the agent's log and audit trail: correlation "), "\(verbose)")
        let verified = try await sandbox.agent("audit", "verify")
        #expect(verified.status == 0, "\(verified)")
        await sandbox.end()
    }
}
