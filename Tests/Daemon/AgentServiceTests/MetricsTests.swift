import ACME
import AgentInterface
import Foundation
import Testing
import TokenProtocol

@testable import AgentClient
@testable import AgentService

/// What the daemon counts, as a scraper reads it (Docs/metrics.md).
@Suite struct MetricsTests {
    /// The value of one series.
    private func value(_ series: String, in text: String) -> Double? {
        text.split(separator: "\n").first { $0.hasPrefix(series + " ") }.flatMap { Double($0.dropFirst(series.count + 1)) }
    }

    @Test func signaturesAreCountedByKeyPurposeOutcomeAndGrant() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        for _ in 0..<3 { _ = try await client.postAsGet() }
        let text = try await client.metrics()
        let signed = #"acme_agent_signatures_total{grant="all",key="account-1",outcome="signed",purpose="post-as-get"}"#
        #expect(value(signed, in: text) == 3, "\(text)")
        for stage in ["request", "intent", "token", "outcome", "all"] {
            #expect(value("acme_agent_signature_seconds_count{stage=\"\(stage)\"}", in: text) == 3, "\(stage)")
        }
        // The parts are what makes up all of it.
        let sums = ["request", "intent", "token", "outcome"].compactMap {
            value("acme_agent_signature_seconds_sum{stage=\"\($0)\"}", in: text)
        }
        let all = try #require(value("acme_agent_signature_seconds_sum{stage=\"all\"}", in: text))
        #expect(all > 0 && abs(sums.reduce(0, +) - all) < 1e-6, "\(sums) \(all)")
        #expect(value(#"acme_agent_token_ready{token="fake"}"#, in: text) ?? 0 == 1, "\(text)")
        #expect(value("acme_agent_trail_writable", in: text) == 1)
        #expect(value("acme_agent_connections", in: text) == 1)
        #expect(value(#"acme_agent_keys{state="active",usage="account"}"#, in: text) == 1)
        #expect(value("acme_agent_trail_sequence", in: text) == Double(try await client.status().auditSequence))
    }

    @Test func refusalsAreCountedByOperationAndReasonAndReadingNeedsAGrant() async throws {
        let agent = try AgentFixture(
            grants: AgentFixture.everything.replacingOccurrences(of: #", "read-metrics""#, with: "")
                .replacingOccurrences(of: #"identifiers = ["*"]"#, with: #"identifiers = ["a.example"]"#))
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        for _ in 0..<200 {
            await #expect(throws: AgentError.self) {
                _ = try await client.sign(
                    SigningCall(
                        key: "account-1", url: ACMEURL("https://localhost:14000/order"), nonce: "bm9uY2U",
                        account: ACMEURL("https://localhost:14000/account/1"),
                        request: .newOrder(NewOrder(identifiers: [Identifier(argument: "b.example")]))))
            }
        }
        do {
            _ = try await client.metrics()
            Issue.record("read without a grant")
        } catch let error as AgentError {
            guard case .refused(_, _, let hint, _) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(hint?.contains("\"read-metrics\"") == true, "\(error)")
        }
        try agent.write(grants: AgentFixture.everything)
        try await agent.reload()
        let text = try await client.metrics()
        // Also those that the log and the trail only count.
        let refused = #"acme_agent_refusals_total{operation="new-order",reason="identifier-not-granted"}"#
        #expect(value(refused, in: text) == 200, "\(text.split(separator: "\n").filter { $0.contains("refusals") })")
        #expect(value(#"acme_agent_refusals_total{operation="read-metrics",reason="operation-not-granted"}"#, in: text) == 1)
    }

    /// A caller that may make keys cannot fill the daemon's memory with their names, nor hide what fails.
    @Test func whatCallersNameIsBounded() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        for index in 0..<502 {
            let key = KeyName("account-\(index)")
            _ = try await client.accountKey(key)
            _ = try await client.postAsGet(key)
        }
        let text = try await client.metrics()
        let series = text.split(separator: "\n").filter { $0.hasPrefix("acme_agent_signatures_total{") }
        #expect(series.count == 501)
        #expect(value(#"acme_agent_signatures_total{grant="other",key="other",outcome="signed",purpose="post-as-get"}"#, in: text) == 2)
        #expect(value(#"acme_agent_keys{state="active",usage="account"}"#, in: text) == 502)
    }

    /// A deleted key makes room for others, and no counter goes back: not that of another key, nor what is counted together.
    @Test func aDeletedKeyIsForgotten() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        for index in 0..<501 {
            let key = KeyName("account-\(index)")
            _ = try await client.accountKey(key)
            _ = try await client.postAsGet(key)
        }
        func signed(_ key: String, in text: String) -> Double? {
            value("acme_agent_signatures_total{grant=\"all\",key=\"\(key)\",outcome=\"signed\",purpose=\"post-as-get\"}", in: text)
        }
        let together = #"acme_agent_signatures_total{grant="other",key="other",outcome="signed",purpose="post-as-get"}"#
        try await client.deleteKey(named: "account-7")
        // Too late for a place of its own, until now.
        _ = try await client.postAsGet("account-500")
        let text = try await client.metrics()
        #expect(signed("account-7", in: text) == nil)
        #expect(signed("account-8", in: text) == 1 && signed("account-500", in: text) == 1)
        #expect(value(together, in: text) == 1)
    }

    /// A caller that asks without end gets the same text for a second: making it takes the time of signatures.
    @Test func aTextIsAtMostASecondOld() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        let first = try await client.metrics()
        _ = try await client.postAsGet()
        var text = try await client.metrics()
        let signed = #"acme_agent_signatures_total{grant="all",key="account-1",outcome="signed",purpose="post-as-get"}"#
        #expect(value(signed, in: first) == nil)
        for _ in 0..<100 where value(signed, in: text) == nil {
            try await Task.sleep(for: .milliseconds(50))
            text = try await client.metrics()
        }
        #expect(value(signed, in: text) == 1)
    }

    /// Why a token cannot sign, or will not be able to after its next login.
    @Test func faultsOfATokenHaveTheirReason() async throws {
        let token = FakeToken()
        token.fail(with: TokenFailure(.pinLocked, message: "few PIN tries are left", hint: "log in by hand"))
        let agent = try AgentFixture(grants: AgentFixture.everything, token: token)
        defer { agent.end() }
        let client = try await agent.client()
        func text(with series: String) async throws -> String {
            var text = try await client.metrics()
            for _ in 0..<200 where value(series, in: text) == nil {
                try await Task.sleep(for: .milliseconds(50))
                text = try await client.metrics()
            }
            return text
        }
        let locked = #"acme_agent_token_fault{reason="pinLocked",token="fake"}"#
        let before = try await text(with: locked)
        #expect(value(locked, in: before) == 1 && value(#"acme_agent_token_ready{token="fake"}"#, in: before) == 0, "\(before)")
        // It logs in again, with a PIN file that has become unusable since.
        token.faultPIN(with: TokenFailure(.pinUnavailable, message: "the PIN file is gone", hint: "restore it"))
        token.fail(with: nil)
        let gone = #"acme_agent_token_fault{reason="pinUnavailable",token="fake"}"#
        let after = try await text(with: gone)
        #expect(value(gone, in: after) == 1 && value(#"acme_agent_token_ready{token="fake"}"#, in: after) == 1, "\(after)")
        #expect(value(locked, in: after) == nil)
    }

    /// What fails before anything is begun is counted too.
    @Test func aTokenThatIsNotThereIsCounted() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        let other = AgentFixture.fakeToken.replacingOccurrences(of: "\"fake\"", with: "\"another\"")
        try agent.write(grants: AgentFixture.everything, tokens: other)
        try await agent.reload()
        await #expect(throws: AgentError.self) { _ = try await client.postAsGet() }
        let text = try await client.metrics()
        #expect(value(#"acme_agent_signature_failures_total{reason="TokenUnavailable",token="fake"}"#, in: text) == 1, "\(text)")
    }
}
