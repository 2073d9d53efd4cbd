import ACME
import AgentClient
import Crypto
import Foundation
import JOSE
import Testing
import Varlink

@testable import AgentService

@Suite struct KeyListingTests {
    /// A daemon with the key "web-0000" in its token and entries of as many others as are wanted.
    private func agent(keys count: Int, grants: String = AgentFixture.everything) async throws -> AgentFixture {
        let agent = try AgentFixture(grants: grants)
        _ = try await agent.client().createKey(named: "web-0000", usage: .certificate, algorithm: .p256)
        let folder = agent.folder + "/state/keys/"
        let entry = try String(contentsOfFile: folder + "web-0000.json", encoding: .utf8)
        let object = try JSONSerialization.jsonObject(with: Data(entry.utf8)) as? [String: Any]
        for number in 1..<count {
            let name = Self.name(number)
            var other = try #require(object)
            other["name"] = name
            other["label"] = name
            other["spki"] = Base64URL.encode(Array(P256.Signing.PrivateKey().publicKey.derRepresentation))
            try JSONSerialization.data(withJSONObject: other).write(to: URL(fileURLWithPath: folder + name + ".json"))
        }
        try agent.restart()
        _ = try await agent.client()
        return agent
    }

    private static func name(_ number: Int) -> String { "web-" + String(String(number + 10_000).dropFirst()) }

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
        let agent = try await agent(keys: 300)
        defer { agent.end() }
        let connection = try await connect(agent)
        let parts = try await parts(connection)
        #expect(parts.flatMap { $0 } == (0..<300).map(Self.name))
        #expect(parts.allSatisfy { $0.count <= KeyListing.part })
        #expect(parts.count == 5)
    }

    @Test func oneReplyHasAsManyKeysAsHoldNobodyUp() async throws {
        let agent = try await agent(keys: KeyListing.mostInOneReply + 1)
        defer { agent.end() }
        let connection = try await connect(agent)
        let refusal = await #expect(throws: VarlinkError.self) { try await connection.call("org.acmeagent.Agent.ListKeys") }
        #expect(refusal?.name == VarlinkError.Standard.expectedMore)
        try await agent.client().deleteKey(named: "web-0000")
        let reply = try await connection.call("org.acmeagent.Agent.ListKeys")
        #expect(try reply.parameters.array("keys").count == KeyListing.mostInOneReply)
    }

    @Test func amongManyOnlyTheCallersAreListed() async throws {
        let agent = try await agent(
            keys: 1_200,
            grants: """
                [[grant]]
                name = "few"
                users = [USER]
                keys = ["web-0000", "web-11*"]
                operations = ["create-key", "list-keys"]
                """)
        defer { agent.end() }
        let names = try await parts(connect(agent)).flatMap { $0 }
        #expect(names == ["web-0000"] + (1_100..<1_200).map(Self.name))
    }
}
