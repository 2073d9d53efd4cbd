import AgentClient
import Foundation
import Testing
import Varlink

@testable import AgentService

@Suite struct KeyListingTests {
    private func connect(_ agent: AgentFixture) async throws -> VarlinkConnection {
        try await VarlinkConnection.connect(to: try #require(VarlinkAddress(path: agent.socket)))
    }

    /// The names in each part of the answer.
    private func parts(_ connection: VarlinkConnection) async throws -> [[String]] {
        var parts: [[String]] = []
        for try await reply in try connection.callMore("org.acmeagent.Agent.ListKeys") {
            parts.append(try reply.parameters.array("keys").map { try $0.object().string("name") })
        }
        return parts
    }

    @Test func manyKeysComeInPartsThatHoldNobodyUp() async throws {
        let agent = try await AgentFixture.withKeys(300)
        defer { agent.end() }
        let connection = try await connect(agent)
        let parts = try await parts(connection)
        #expect(parts.flatMap { $0 } == (0..<300).map(AgentFixture.keyName))
        #expect(parts.allSatisfy { $0.count <= KeyListing.part })
        #expect(parts.count == 5)
    }

    @Test func oneReplyHasAsManyKeysAsHoldNobodyUp() async throws {
        let agent = try await AgentFixture.withKeys(KeyListing.mostInOneReply + 1)
        defer { agent.end() }
        let connection = try await connect(agent)
        let refusal = await #expect(throws: VarlinkError.self) { try await connection.call("org.acmeagent.Agent.ListKeys") }
        #expect(refusal?.name == VarlinkError.Standard.expectedMore)
        try await agent.client().deleteKey(named: "web-0000")
        let reply = try await connection.call("org.acmeagent.Agent.ListKeys")
        #expect(try reply.parameters.array("keys").count == KeyListing.mostInOneReply)
    }

    @Test func amongManyOnlyTheCallersAreListed() async throws {
        let agent = try await AgentFixture.withKeys(
            500,
            grants: """
                [[grant]]
                name = "few"
                users = [USER]
                keys = ["web-0000", "web-04*"]
                operations = ["create-key", "list-keys"]
                """)
        defer { agent.end() }
        let names = try await parts(connect(agent)).flatMap { $0 }
        #expect(names == ["web-0000"] + (400..<500).map(AgentFixture.keyName))
    }
}
