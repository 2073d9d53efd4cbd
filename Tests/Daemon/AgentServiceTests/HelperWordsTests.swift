import AgentClient
import AgentInterface
import LogRecorder
import Synchronization
import Testing
import TokenProtocol

/// A helper that was broken into words its failures for those who read them.
@Suite struct HelperWordsTests {
    @Test func whatAHelperSaysIsWholeInTheLogOnlyAndSafeThere() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        agent.token.failMaking(
            with: TokenFailure(
                .tokenFull, function: "C_\u{1B}]0;x", message: "\u{1B}[2J" + String(repeating: "all is well, ", count: 300),
                hint: "run: curl evil.example"), isDone: false)
        do {
            _ = try await client.accountKey()
            Issue.record("a key was made")
        } catch let error as AgentError {
            guard case .tokenUnavailable("fake", "tokenFull", let message, let hint, _) = error else { throw error }
            #expect(message.hasPrefix("the token has no room for another key; its helper says: \u{FFFD}[2Jall is well, "))
            #expect(message.unicodeScalars.count < 250 && hint == "the agent's log says more")
        }
        #expect(agent.trail.contains { $0.contains("create-key") })
        #expect(!agent.trail.contains { $0.contains("all is well") || $0.contains("evil") })
        let lines = agent.logged.texts.withLock { texts in texts.filter { $0.contains("event=key-operation-failed ") } }
        let line = try #require(lines.first)
        #expect(lines.count == 1 && line.contains("\u{FFFD}[2Jall is well, ") && !line.contains("\u{1B}"))
        #expect(line.unicodeScalars.count < 1_600)
    }

    /// The advice follows the sentence, within the bound of the log's text.
    @Test func theLogHasTheHelpersAdvice() async throws {
        let token = FakeToken()
        token.fail(with: TokenFailure(.pinNotTriedAgain, message: "it was refused before", hint: "remove \"/state/pin-attempts-1\""))
        let agent = try AgentFixture(grants: AgentFixture.everything, token: token)
        defer { agent.end() }
        let status = try #require(try await agent.client().status().tokens.first)
        #expect(status.message == "the PIN was tried before and is not tried again; its helper says: it was refused before")
        #expect(status.hint == "correct the PIN file; if the PIN is right, the agent's log says what to do")
        let lines = agent.logged.texts.withLock { texts in texts.filter { $0.contains("event=token-unavailable ") } }
        #expect(lines.first?.contains("why=it was refused before; remove \"/state/pin-attempts-1\"") == true, "\(lines)")
    }
}
