import ACME
import AgentClient
import AgentInterface
import AuditTrail
import DaemonLog
import KeyNameLiterals
import Logging
import Testing
import TokenProtocol

@testable import AgentService

/// What ties a call, its records, its lines in the log and its error together.
@Suite(.timeLimit(.minutes(2))) struct CorrelationTests {
    private func records(_ agent: AgentFixture) throws -> [AuditRecord] {
        try agent.trail.map { try AuditEntry(line: Array($0.utf8)).record }
    }

    private func lines(_ agent: AgentFixture, _ event: String) -> [String] {
        agent.logged.texts.withLock { $0.filter { $0.contains("event=\(event) ") || $0.hasSuffix("event=\(event)") } }
    }

    /// The error that `body` throws.
    private func error(_ body: () async throws -> Void) async throws -> AgentError {
        do { try await body() } catch let error as AgentError { return error }
        throw AgentError.overloaded(message: "nothing was thrown")
    }

    @Test func eachErrorNamesItsCall() async throws {
        let token = FakeToken()
        let agent = try AgentFixture(
            grants: AgentFixture.everything.replacingOccurrences(of: "\"sign-certificate-request\", ", with: ""), token: token)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        var errors = [
            try await error { _ = try await client.accountKey() },
            try await error { _ = try await client.key(named: "none") },
            try await error { try await client.deleteKey(named: "none") },
            try await error { _ = try await client.certificateRequest(key: "account-1", identifiers: []) },
            try await error { _ = try await client.postAsGet(url: "https://elsewhere.example/x") },
            try await error { _ = try await client.createKey(named: "x", usage: .certificate, algorithm: .p256, token: "none") },
            try await error { _ = try await client.handshake(key: "account-1", content: [1], scheme: "x") },
        ]
        token.forget()
        errors.append(try await error { _ = try await client.postAsGet() })
        let members = [
            "KeyExists", "KeyNotFound", "KeyNotFound", "Refused", "Refused", "InvalidRequest", "InvalidRequest", "SigningFailed",
        ]
        #expect(errors.map(\.member) == members, "\(errors)")
        let ids = errors.compactMap(\.correlation)
        #expect(ids.count == errors.count && Set(ids).count == ids.count, "\(errors)")
        let start = try #require(try records(agent).last { $0.operation == "start" })
        #expect(ids.allSatisfy { $0.hasPrefix("\(start.sequence)-") && $0.split(separator: "-").count == 3 }, "\(ids)")
        let status = try await client.status().correlation
        #expect(status?.hasPrefix("\(start.sequence)-") == true && !ids.contains(status ?? ""))
    }

    @Test func aRefusalIsOneLineAndOneRecord() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        let refused = try await error { _ = try await client.postAsGet(url: "https://elsewhere.example/x") }
        let id = try #require(refused.correlation)
        #expect(try records(agent).filter { $0.correlation == id }.map(\.kind) == [.refusal])
        let all = agent.logged.texts.withLock { $0.filter { $0.contains("correlation=\(id) ") } }
        #expect(all.count == 1 && all == lines(agent, "request-refused"), "\(all)")
        #expect(all.first?.contains(" operation=post-as-get ") == true && all.first?.contains(" reason=") == true)
    }

    /// The trail has signatures. What becomes of a key is seldom, and in the log.
    @Test func aSignatureIsInTheLogAtDebugOnlyAndAKeyAlways() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        _ = try await client.postAsGet()
        #expect(DaemonEvent.signatureMade.level == .debug)
        let signed = lines(agent, "signature-made")
        let outcome = try #require(try records(agent).last { $0.kind == .outcome })
        #expect(signed.count == 1 && signed.first?.contains("correlation=\(outcome.correlation ?? "") ") == true, "\(signed)")
        _ = try await client.retireKey(named: "account-1")
        try await client.deleteKey(named: "account-1")
        for (event, operation) in [("key-created", "create-key"), ("key-retired", "retire-key"), ("key-deleted", "delete-key")] {
            let record = try #require(try records(agent).last { $0.kind == .outcome && $0.operation == operation })
            let line = lines(agent, event)
            #expect(line.count == 1 && line.first?.contains("correlation=\(record.correlation ?? "") ") == true, "\(line)")
            #expect(line.first?.contains("key=account-1 token=fake uid=") == true, "\(line)")
        }
        #expect(agent.logged.texts.withLock { $0.filter { $0.contains("correlation=") }.count } == 4)
    }

    @Test func aTokensFailureIsOneLineWithTheCall() async throws {
        let token = FakeToken()
        let agent = try AgentFixture(grants: AgentFixture.everything, token: token)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        token.forget()
        let failed = try await error { _ = try await client.postAsGet() }
        let id = try #require(failed.correlation)
        let failures = lines(agent, "signature-failed")
        #expect(failures.count == 1 && failures.first?.contains("correlation=\(id) ") == true, "\(failures)")
        #expect(failures.first?.contains(" reason=noKey ") == true, "\(failures)")
    }

    @Test func noCallAfterARestartHasTheCorrelationOfOneBefore() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        var ids: [String] = []
        for _ in 0..<3 {
            let client = try await agent.client()
            ids.append(try #require(try await client.status().correlation))
            await client.close()
            try agent.restart()
        }
        #expect(Set(ids).count == 3 && Set(ids.compactMap { $0.split(separator: "-").first }).count == 3, "\(ids)")
        _ = try await agent.client()
    }
}
