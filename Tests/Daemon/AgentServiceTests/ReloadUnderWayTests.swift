import ACME
import AgentClient
import AgentInterface
import AuditTrail
import Foundation
import KeyNameLiterals
import Synchronization
import Testing
import Varlink

@testable import AgentService

/// A reload during something long, which finishes under its old rules or is refused by the new ones, never half of
/// each.
@Suite(.timeLimit(.minutes(2))) struct ReloadUnderWayTests {
    private struct Tally {
        var signed = 0
        var refused = 0
    }

    /// Orders for names below `NAME.example` and no others.
    private static func grant(_ name: String) -> String {
        """
        [[grant]]
        name = "\(name)"
        users = [USER]
        keys = ["account-1"]
        operations = ["issue"]
        identifiers = ["*.\(name).example"]
        cas = ["https://localhost:*"]
        """
    }

    private static let nothing = AgentFixture.everything.replacingOccurrences(of: #"keys = ["*"]"#, with: #"keys = ["other-*"]"#)

    private static func order(_ name: (Int) -> String) throws -> SigningCall {
        let identifiers = try (0..<1_000).map { try Identifier(argument: name($0)) }
        return try SigningCall(
            key: "account-1", url: ACMEURL("https://localhost:14000/new-order"), nonce: "bm9uY2U",
            account: ACMEURL("https://localhost:14000/account/1"), request: .newOrder(NewOrder(identifiers: identifiers)))
    }

    private final class End: Sendable {
        let isThere = Mutex(false)
        /// Calls of all callers that were answered.
        let answers = Mutex(0)

        /// Waits until each order was answered a few more times, however slow the machine is.
        func moreAnswers(_ count: Int) async throws {
            let before = answers.withLock { $0 }
            for _ in 0..<4_000 where answers.withLock({ $0 }) < before + count { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    /// Requests one order after another over one connection.
    private static func caller(of agent: AgentFixture, _ orders: [SigningCall], until end: End) -> Task<[Tally], any Error> {
        Task {
            let client = try await agent.client()
            var tallies = orders.map { _ in Tally() }
            while !end.isThere.withLock({ $0 }) {
                for (index, order) in orders.enumerated() {
                    do {
                        _ = try await client.sign(order)
                        tallies[index].signed += 1
                    } catch AgentError.refused("identifier-refused", _, _, _) { tallies[index].refused += 1 }
                    end.answers.withLock { $0 += 1 }
                }
            }
            // Still the original connection.
            _ = try await client.status()
            return tallies
        }
    }

    /// Read off the loop, decided, composed off the loop, signed: a reload may come between any two of these.
    @Test func aCallOfAThousandNamesIsAnsweredByOneConfiguration() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        _ = try await agent.client().accountKey()
        try agent.write(grants: Self.grant("a"))
        try await agent.reload()
        // The first fits one configuration, the second the other; the third would need half of each.
        let orders = try [
            Self.order { "n\($0).a.example" }, Self.order { "n\($0).b.example" }, Self.order { "n\($0).\($0 < 500 ? "a" : "b").example" },
        ]
        let end = End()
        let callers = (0..<3).map { _ in Self.caller(of: agent, orders, until: end) }
        let rounds = ProcessInfo.processInfo.environment["ACME_AGENT_LONG_TESTS"] != nil ? 8 : 4
        for round in 0..<rounds {
            try await end.moreAnswers(3 * orders.count)
            try agent.write(grants: Self.grant(round.isMultiple(of: 2) ? "b" : "a"))
            try await agent.reload()
        }
        end.isThere.withLock { $0 = true }
        var all = orders.map { _ in Tally() }
        for caller in callers {
            for (index, tally) in try await caller.value.enumerated() {
                all[index].signed += tally.signed
                all[index].refused += tally.refused
            }
        }
        #expect(all[0].signed > 0 && all[0].refused > 0 && all[1].signed > 0 && all[1].refused > 0, "\(all)")
        #expect(all[2].signed == 0 && all[2].refused > 0, "\(all)")
        #expect(agent.token.launches == 1)
        try expectOneGrantEach(agent.trail)
    }

    /// The grant of each signature covers every name, and intent and outcome agree.
    private func expectOneGrantEach(_ trail: [String]) throws {
        var grants: [String: String] = [:]
        var outcomes = 0
        for line in trail where line.contains(#""operation":"new-order""#) {
            let record = try AuditEntry(line: Array(line.utf8)).record
            let correlation = try #require(record.correlation)
            switch record.kind {
            case .intent:
                let grant = try #require(record.grant)
                #expect(record.identifiers.count == 1_000 && record.identifiers.allSatisfy { $0.hasSuffix(".\(grant).example") })
                grants[correlation] = grant
            case .outcome:
                outcomes += 1
                #expect(record.grant == grants[correlation] && record.result == "signed")
            default: #expect(record.kind == .refusal)
            }
        }
        #expect(outcomes == grants.count && Set(grants.values) == ["a", "b"])
    }

    /// A slow reader gets the list that it asked for.
    @Test func aListOfKeysIsWholeByTheRulesOfItsCall() async throws {
        let agent = try await AgentFixture.withKeys(768)
        defer { agent.end() }
        let connection = try await VarlinkConnection.connect(to: try #require(VarlinkAddress(path: agent.socket)))
        var names: [String] = []
        var parts = 0
        for try await reply in try connection.callMore("\(AgentInterfaceText.name).ListKeys") {
            // The socket holds a few of 12 parts; the rest is made only when they are read.
            if parts == 0 {
                try agent.write(grants: Self.nothing)
                try await agent.reload()
            }
            parts += 1
            names += try reply.parameters.array("keys").map { try $0.object().string("name") }
        }
        #expect(names == (0..<768).map(AgentFixture.keyName))
        // The same connection, asked again.
        let reply = try await connection.call("\(AgentInterfaceText.name).ListKeys")
        #expect(try reply.parameters.array("keys").isEmpty)
        await connection.close()
    }

    @Test(arguments: [false, true]) func aKeyThatIsBeingMadeIsMadeByTheRulesOfItsCall(isTokenChanged: Bool) async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let token = agent.token
        // The daemon can end, whatever happens to the test.
        defer { token.holdMaking(false) }
        token.holdMaking(true)
        let client = try await agent.client(), other = try await agent.client()
        let making = Task { try await client.accountKey() }
        for _ in 0..<2_000 where token.makings == 0 { try await Task.sleep(for: .milliseconds(5)) }
        let tokens =
            isTokenChanged ? AgentFixture.fakeToken.replacingOccurrences(of: "pool = 2", with: "pool = 1") : AgentFixture.fakeToken
        try agent.write(grants: Self.nothing, tokens: tokens)
        try await agent.reload()
        // What comes after the reload is judged by the new rules; earlier calls continue.
        await #expect(throws: AgentError.keyNotFound(name: "account-1")) { try await other.postAsGet() }
        token.holdMaking(false)
        #expect(try await making.value.name == "account-1")
        await #expect(throws: AgentError.keyNotFound(name: "account-1")) { try await client.postAsGet() }
        try agent.write(grants: AgentFixture.everything, tokens: tokens)
        try await agent.reload()
        #expect(try await client.keys().map(\.name) == ["account-1"])
        _ = try await client.postAsGet()
        #expect(token.makings == 1 && token.launches == (isTokenChanged ? 2 : 1))
        let trail = agent.trail.filter { $0.contains(#""operation":"create-key""#) }
        #expect(trail.count == 2 && trail.allSatisfy { $0.contains(#""grant":"all""#) }, "\(trail)")
    }
}
