import ACME
import AgentClient
import AgentInterface
import Foundation
import Testing
import TokenProtocol

@testable import AgentService

/// Keys whose making was cut off: whether they are there is found out, and until then said to be open.
@Suite struct KeySettlementTests {
    private let inDoubt = TokenFailure(.device, function: "C_GenerateKeyPair", returnValue: 0x30, message: "the token failed")
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
            guard case .tokenUnavailable(_, "keyUnsettled", _, _) = error else {
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

    @Test func aFailureOfAnyKindMayHaveLeftTheKey() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        // What CKR_DEVICE_MEMORY becomes: it orphaned the pair.
        agent.token.failMaking(with: TokenFailure(.tokenFull, message: "the token failed", mayHaveHappened: true), isDone: true)
        await #expect(throws: AgentError.self) { try await client.accountKey() }
        await #expect(throws: AgentError.keyExists(name: "account-1")) { try await client.accountKey() }
        _ = try await client.postAsGet()
    }
}
