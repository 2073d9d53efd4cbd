import ACME
import AgentInterface
import AuditTrail
import DaemonLog
import Foundation
import Testing

@testable import AgentClient
@testable import AgentService

/// The trail as callers and administrators see it.
@Suite struct TrailTests {
    private let grants = """
        [[grant]]
        name = "reader"
        users = [USER]
        keys = ["account-1"]
        operations = ["issue", "read-audit"]
        identifiers = ["*.example.org"]
        cas = ["https://localhost:*"]
        """

    private func events(_ agent: AgentFixture, _ operation: String) throws -> [AuditRecord] {
        try agent.trail.map { try AuditEntry(line: Array($0.utf8)).record }.filter { $0.operation == operation }
    }

    @Test func aTrailThatIsRemovedWhileTheDaemonRunsStopsSigningAndIsSaid() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        #expect(try await client.status().auditState == "writable")
        let path = agent.folder + "/state/audit/audit.jsonl"
        try FileManager.default.moveItem(atPath: path, toPath: path + ".taken")
        #expect(try await client.status().auditState.contains("the audit trail's file is gone"))
        let signatures = agent.token.signatures
        do {
            _ = try await client.postAsGet()
            Issue.record("signed without a trail")
        } catch let error as AgentError {
            guard case .auditUnavailable(let message, let hint, _) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(message.contains("replaced") && hint?.contains("restore the trail") == true)
        }
        #expect(agent.token.signatures == signatures)
        try FileManager.default.moveItem(atPath: path + ".taken", toPath: path)
        _ = try await client.postAsGet()
        #expect(try await client.status().auditState == "writable")
    }

    /// The trail cannot say that the token signs wrongly, so the log must.
    @Test func aWrongSignatureIsInTheLogAlsoIfTheTrailCannotBeWritten() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        agent.token.beFaulty()
        agent.token.hold(true)
        let intents = agent.trail.count { $0.contains(#""kind":"intent""#) }
        async let answer = client.postAsGet()
        for _ in 0..<1_000 where agent.trail.count(where: { $0.contains(#""kind":"intent""#) }) == intents {
            try await Task.sleep(for: .milliseconds(5))
        }
        let path = agent.folder + "/state/audit/audit.jsonl"
        try FileManager.default.moveItem(atPath: path, toPath: path + ".taken")
        // An intent notices that, and then the outcome is not written either.
        let other = try await agent.client()
        await #expect(throws: AgentError.self) { try await other.postAsGet() }
        agent.token.hold(false)
        do {
            _ = try await answer
            Issue.record("answered without a trail")
        } catch let error as AgentError { #expect(error.member == "AuditUnavailable", "\(error)") }
        let lines = agent.logged.texts.withLock { $0 }
        for (event, count) in [("signature-wrong", 1), ("signature-withheld", 2)] {
            #expect(lines.filter { $0.contains("event=\(event) ") }.count == count, "\(event): \(lines)")
        }
        try FileManager.default.moveItem(atPath: path + ".taken", toPath: path)
    }

    /// The line is the caller's, whose lines are limited: it could otherwise fill the log.
    @Test func aTrailThatCannotBeReadIsALineOfItsReader() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        let path = agent.folder + "/state/audit/audit.jsonl"
        try FileManager.default.moveItem(atPath: path, toPath: path + ".taken")
        await #expect(throws: AgentError.self) { for try await _ in client.audit(last: 1, follow: false) {} }
        let lines = agent.logged.texts.withLock { $0.filter { $0.contains("event=trail-not-read ") } }
        #expect(lines.count == 1 && lines.first?.hasSuffix(" uid=\(geteuid())") == true, "\(lines)")
        #expect(DaemonEvent.trailNotRead.level == .warning)
        try FileManager.default.moveItem(atPath: path + ".taken", toPath: path)
    }

    @Test func aTrailThatWasCutWhileTheDaemonWasStoppedKeepsItFromStartingUntilThatIsAccepted() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        _ = try await client.postAsGet()
        try agent.restart {
            let path = agent.folder + "/state/audit/audit.jsonl"
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
            try (lines.prefix(3).joined(separator: "\n") + "\n").write(toFile: path, atomically: false, encoding: .utf8)
        }
        do {
            _ = try await agent.client()
            Issue.record("started with a trail that was cut")
        } catch let error as AuditError {
            #expect(error.reason == .shortened)
            let shown = DaemonError(error, configurationFile: agent.file)
            #expect(shown.message.contains("it was cut") && shown.hint?.contains("operations.md") == true)
            #expect(shown.hint?.hasSuffix("acme-agentd --accept-audit-trail --config \(agent.file)") == true)
            let odd = DaemonError(error, configurationFile: "/etc/it's $here.toml")
            #expect(odd.hint?.hasSuffix(#"--config '/etc/it'\''s $here.toml'"#) == true)
            #expect(DaemonError(error).hint?.hasSuffix("acme-agentd --accept-audit-trail") == true)
        }
        try agent.restart {
            let daemon = try AgentDaemon(configurationFile: agent.folder + "/acme-agentd.toml", logger: .init(label: "test"))
            #expect(try daemon.acceptAuditTrail().contains("accepted by an administrator"))
            #expect(try daemon.acceptAuditTrail().contains("nothing to accept"))
        }
        _ = try await agent.client().postAsGet()
        #expect(try events(agent, "accept-trail").count == 1)
        let report = try AuditVerifier(path: agent.folder + "/state/audit/audit.jsonl").verify()
        #expect(report.isWhole && report.gaps.count == 1)
    }

    @Test func aRecordThatWasAlteredKeepsTheDaemonFromStartingAndTheHintSaysHowToGoOn() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        _ = try await agent.client().accountKey()
        let path = agent.folder + "/state/audit/audit.jsonl"
        let line = try #require(agent.trail.firstIndex { $0.contains("account-1") }) + 1
        try agent.restart {
            let text = try String(contentsOfFile: path, encoding: .utf8)
            try text.replacingOccurrences(of: "account-1", with: "account-2").write(toFile: path, atomically: false, encoding: .utf8)
        }
        do {
            _ = try await agent.client()
            Issue.record("started with a trail that was altered")
        } catch let error as AuditError {
            let shown = DaemonError(error)
            #expect(shown.message.hasSuffix("audit.jsonl:\(line))"), "\(shown.message)")
            #expect(shown.hint?.contains("acme-agentd --accept-audit-trail") == true && shown.hint?.contains("move all of") == true)
        }
        // As the hint says.
        try agent.restart {
            try FileManager.default.moveItem(atPath: path, toPath: agent.folder + "/kept.jsonl")
            let daemon = try AgentDaemon(configurationFile: agent.file, logger: .init(label: "test"))
            #expect(try daemon.acceptAuditTrail().contains("accepted by an administrator"))
        }
        _ = try await agent.client().postAsGet()
    }

    /// 250 KiB of names in each refusal used to cost 22 MB a minute for a user without any grant.
    @Test func refusalsAreBoundedByBytes() async throws {
        let agent = try AgentFixture(grants: grants)
        defer { agent.end() }
        let client = try await agent.client()
        let label = String(repeating: "a", count: 60)
        let names = try (0..<700).map { try Identifier(argument: "\(label).\(label).n\($0).other.example") }
        for _ in 0..<20 {
            await #expect(throws: AgentError.self) {
                try await client.sign(
                    SigningCall(
                        key: "account-1", url: ACMEURL("https://localhost:14000/new-order"), nonce: "bm9uY2U",
                        account: ACMEURL("https://localhost:14000/account/1"), request: .newOrder(NewOrder(identifiers: names))))
            }
        }
        let refusals = agent.trail.filter { $0.contains(#""kind":"refusal""#) }
        #expect(refusals.count == 20)
        #expect(refusals.allSatisfy { $0.utf8.count < 4_096 && $0.contains("700 identifiers; SHA-256 of all") })
    }

    @Test func refusalsThatWereLeftOutAreWrittenDownAtTheEnd() async throws {
        let agent = try AgentFixture(grants: grants)
        defer { agent.end() }
        let client = try await agent.client()
        for _ in 0..<(RefusalBudget.Bounds().perUser + 50) {
            await #expect(throws: AgentError.self) { try await client.postAsGet("other") }
        }
        #expect(try events(agent, "refusals-left-out").isEmpty)
        try agent.restart()
        let told = try events(agent, "refusals-left-out")
        #expect(told.count == 1 && told.first?.detail == "50 refusals of the user were not recorded one by one")
        #expect(told.first?.uid == geteuid())
        _ = try await agent.client()
    }
}
