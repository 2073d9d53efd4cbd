import ACME
import AgentClient
import AgentInterface
import Foundation
import Testing
import TokenProtocol

@testable import AgentService

/// Keys whose creation was interrupted: the agent finds out whether they exist, and until then reports that it does not
/// know.
@Suite struct KeySettlementTests {
    /// A failure that the supervisor does not wait to see pass.
    private let inDoubt = TokenFailure(
        .tokenFull, function: "C_GenerateKeyPair", returnValue: 0x31, message: "the token failed", mayHaveHappened: true)
    private let lostLogin = TokenFailure(.sessionLost, function: "C_GetSessionInfo", returnValue: 0x101, message: "the login is lost")

    private func entry(_ agent: AgentFixture, _ name: String = "account-1") -> Bool {
        FileManager.default.fileExists(atPath: agent.folder + "/state/keys/\(name).json")
    }

    @Test func aNameIsFreeAgainWhenItsKeyWasNeverMade() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        agent.token.failMaking(with: inDoubt, isDone: false)
        await #expect(throws: AgentError.self) { try await client.accountKey() }
        _ = try await client.accountKey()
        _ = try await client.postAsGet()
    }

    /// With several tokens, the caller must know which one failed.
    @Test func aFailureNamesTheToken() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        agent.token.failMaking(with: inDoubt, isDone: false)
        let error = await #expect(throws: AgentError.self) { try await client.accountKey() }
        guard case .tokenUnavailable("fake", "tokenFull", _, _, _)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func aKeyThatWasMadeAndDeniedHasItsNameWhenThatIsAskedForAgain() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        agent.token.failMaking(with: inDoubt, isDone: true)
        await #expect(throws: AgentError.self) { try await client.accountKey() }
        await #expect(throws: AgentError.keyExists(name: "account-1")) { try await client.accountKey() }
        _ = try await client.postAsGet()
        #expect(agent.trail.contains { $0.contains("recover-key") })
    }

    /// While the disk is full the agent looks again and again.
    @Test func theLogSaysThatAKeyHasItsNameOnceItHasIt() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        func recoveries() -> Int { agent.logged.texts.withLock { $0.count { $0.contains("event=key-recovered") } } }
        agent.token.failMaking(with: inDoubt, isDone: true)
        await #expect(throws: AgentError.self) { try await client.accountKey() }
        // Where the entry is written first.
        let obstacle = agent.folder + "/state/keys/.account-1.json.new"
        try FileManager.default.createDirectory(atPath: obstacle, withIntermediateDirectories: false)
        let error = await #expect(throws: AgentError.self) { try await client.accountKey() }
        guard case .tokenUnavailable(_, "keyUnsettled", _, _, _)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(recoveries() == 0)
        try FileManager.default.removeItem(atPath: obstacle)
        await #expect(throws: AgentError.keyExists(name: "account-1")) { try await client.accountKey() }
        #expect(recoveries() == 1)
    }

    @Test(arguments: [true, false])
    func whatIsLeftOverIsSettledByTime(isDone: Bool) async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        agent.token.failMaking(with: inDoubt, isDone: isDone)
        await #expect(throws: AgentError.self) { try await client.accountKey() }
        for _ in 0..<500 where try await client.keys().isEmpty && entry(agent) { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try await client.keys().count == (isDone ? 1 : 0))
        #expect(entry(agent) == isDone)
    }

    @Test func aKeyThatCannotBeLookedForIsNeitherThereNorGone() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        var client = try await agent.client()
        agent.token.failMaking(with: inDoubt, isDone: true)
        agent.token.failSettling(with: lostLogin)
        await #expect(throws: AgentError.self) { try await client.accountKey() }
        for _ in 0..<2 {
            let error = await #expect(throws: AgentError.self) { try await client.accountKey() }
            guard case .tokenUnavailable(_, "keyUnsettled", _, _, _) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            // Nothing was found because nothing could be seen: nothing is removed.
            #expect(entry(agent))
            try agent.restart()
            client = try await agent.client()
        }
        agent.token.failSettling(with: nil)
        await #expect(throws: AgentError.keyExists(name: "account-1")) { try await client.accountKey() }
        _ = try await client.postAsGet()
    }

    enum Finding: CaseIterable {
        case nothing, key, unknown
    }

    /// The agent looks by itself, at its start and by a timer. A request for the name meanwhile gets the result of that
    /// look.
    @Test(arguments: Finding.allCases)
    func whoAsksForANameWhileItIsLookedAtHearsWhatIsFound(_ finding: Finding) async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let token = agent.token
        // The daemon can end, whatever happens to the test.
        defer { token.holdSettling(false) }
        token.holdSettling(true)
        token.failMaking(with: inDoubt, isDone: finding == .key)
        let first = try await agent.client()
        await #expect(throws: AgentError.self) { try await first.accountKey() }
        let before = token.looks
        try agent.restart()
        for _ in 0..<2_000 where token.looks == before { try await Task.sleep(for: .milliseconds(5)) }
        #expect(token.looks > before)
        let client = try await agent.client(), other = try await agent.client()
        // Two requests, of which one gets the name.
        let asked = [client, other].map { client in Task { try await client.accountKey() } }
        try await Task.sleep(for: .milliseconds(200))
        if finding == .unknown { token.failSettling(with: lostLogin) }
        token.holdSettling(false)
        var made = 0, taken = 0, unsettled = 0
        for task in asked {
            do {
                _ = try await task.value
                made += 1
            } catch AgentError.keyExists {
                taken += 1
            } catch AgentError.tokenUnavailable(_, "keyUnsettled", _, _, _) {
                unsettled += 1
            }
        }
        switch finding {
        case .nothing: #expect((made, taken, unsettled) == (1, 1, 0))
        case .key: #expect((made, taken, unsettled) == (0, 2, 0))
        case .unknown: #expect((made, taken, unsettled) == (0, 0, 2))
        }
    }

    @Test func aFailureThatIsKnownToHaveLeftNothingFreesTheNameAtOnce() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        var failure = inDoubt
        failure.mayHaveHappened = false
        agent.token.failMaking(with: failure, isDone: false)
        await #expect(throws: AgentError.self) { try await client.accountKey() }
        #expect(!entry(agent))
    }

    @Test(arguments: [true, false])
    func aFaultThatPassesIsNotSeenByWhoMakesAKey(isDone: Bool) async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        // Also one after which the key may be there.
        let failure = TokenFailure(.device, function: "C_GenerateKeyPair", returnValue: 0x30, message: "the token failed")
        agent.token.failMaking(with: failure, isDone: isDone)
        _ = try await client.accountKey()
        #expect(agent.token.makings == (isDone ? 1 : 2))
        #expect(try await client.keys().count == 1)
        _ = try await client.postAsGet()
    }
}
