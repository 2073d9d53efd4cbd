import ACME
import AgentClient
import AgentInterface
import DurableFile
import Foundation
import Testing
import TokenProtocol

@testable import AgentService

/// What the daemon believes of the keys' entries, and what it tells about the keys in them.
@Suite struct KeyEntryTests {
    private func keys(_ agent: AgentFixture) -> String { agent.folder + "/state/keys" }

    @Test func theFunctionThatFailedIsNamed() {
        let failure = TokenFailure(.device, function: "C_Login", returnValue: 0x30, message: "the token failed")
        let status = TokenStatus(name: "hsm", off: failure, restarts: 2)
        #expect(status.message == "the token failed (C_Login returned 0x30)" && status.state == .unavailable && status.restarts == 2)
        #expect(TokenStatus(name: "hsm", off: TokenFailure(.noToken, message: "no token"), restarts: 0).message == "no token")
    }

    // MARK: One bad entry

    @Test(arguments: ["", "{\"version\":1,", "{\"version\":9}"])
    func aDamagedEntryPutsItsKeyOffAndNoOther(_ text: String) async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        _ = try await agent.client().accountKey()
        _ = try await agent.client().createKey(named: "web-1", usage: .certificate, algorithm: .p256)
        try agent.restart { try text.write(toFile: keys(agent) + "/web-1.json", atomically: false, encoding: .utf8) }
        let client = try await agent.client()
        _ = try await client.postAsGet()
        #expect(try await client.keys().map(\.name.rawValue) == ["account-1"])
        let problems = try await client.status().problems
        #expect(problems.map(\.what) == ["key"] && problems.map(\.name) == ["web-1"])
        let message = try #require(problems.first?.message)
        let unusable = AgentError.keyUnusable(name: "web-1", message: message)
        await #expect(throws: unusable) { try await client.key(named: "web-1") }
        await #expect(throws: unusable) { try await client.deleteKey(named: "web-1") }
        await #expect(throws: unusable) {
            try await client.certificateRequest(key: "web-1", identifiers: [Identifier(type: "dns", value: "a.example")])
        }
        // The name stays taken: it has a key.
        await #expect(throws: unusable) { try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256) }
        #expect(try String(contentsOfFile: keys(agent) + "/web-1.json", encoding: .utf8) == text)
    }

    @Test func whoMayNotListAKeyHearsNothingOfItsEntry() async throws {
        let agent = try AgentFixture(
            grants: """
                [[grant]]
                name = "mine"
                users = [USER]
                keys = ["mine-*"]
                operations = ["issue", "administer"]
                identifiers = ["*"]
                cas = ["https://localhost:*"]
                """)
        defer { agent.end() }
        _ = try await agent.client()
        try agent.restart { try "".write(toFile: keys(agent) + "/other-1.json", atomically: false, encoding: .utf8) }
        let client = try await agent.client()
        #expect(try await client.status().problems.isEmpty)
        await #expect(throws: AgentError.keyNotFound(name: "other-1")) { try await client.key(named: "other-1") }
    }

    // MARK: Another's key

    @Test func anAliasOfAnothersKeyPutsBothOff() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        _ = try await agent.client().accountKey("victim")
        _ = try await agent.client().accountKey("other")
        try agent.restart {
            let entry = try String(contentsOfFile: keys(agent) + "/victim.json", encoding: .utf8)
            try entry.replacing("\"name\":\"victim\"", with: "\"name\":\"mine\"")
                .write(toFile: keys(agent) + "/mine.json", atomically: false, encoding: .utf8)
        }
        let client = try await agent.client()
        for name: KeyName in ["mine", "victim"] {
            let error = await #expect(throws: AgentError.self) { try await client.postAsGet(name) }
            #expect(error?.member == "KeyUnusable")
            // A caller who may use one need not learn of the other, nor where the entries are.
            let text = String(describing: error)
            #expect(!text.contains(name == "mine" ? "victim" : "mine") && !text.contains(agent.folder))
        }
        _ = try await client.postAsGet("other")
        #expect(try await client.status().problems.map(\.name) == ["mine", "victim"])
    }

    /// An entry that cannot be read does not say which key it belongs to: while one is off, any key may have a name.
    @Test(arguments: ["", "junk", "newer"])
    func aKeyWhoseEntryIsOffIsNotGivenToAnother(damage: String) async throws {
        let token = FakeToken()
        _ = token.plant(label: "good")
        let agent = try AgentFixture(grants: AgentFixture.everything, token: token)
        defer { agent.end() }
        _ = try await agent.client().adoptKey(named: "victim", uri: "pkcs11:object=good", usage: .certificate)
        try agent.restart {
            let path = keys(agent) + "/victim.json"
            let entry = try String(contentsOfFile: path, encoding: .utf8)
            let text = damage == "newer" ? entry.replacing("\"version\":2", with: "\"version\":99") : damage
            #expect(text != entry)
            try text.write(toFile: path, atomically: false, encoding: .utf8)
        }
        let client = try await agent.client()
        let error = await #expect(throws: AgentError.self) {
            try await client.adoptKey(named: "mine", uri: "pkcs11:object=good", usage: .certificate)
        }
        guard case .refused("key-entry-off", let message, let hint, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        // Another user's name is not revealed.
        #expect(!message.contains("victim") && hint?.contains("victim") != true)
    }

    /// A helper that was broken into could give one caller another's key.
    @Test func anothersKeyIsNoNewKey() async throws {
        let token = FakeToken()
        let planted = token.plant(label: "victim")
        let agent = try AgentFixture(grants: AgentFixture.everything, token: token)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.adoptKey(named: "victim", uri: "pkcs11:object=victim", usage: .certificate)
        token.impose(planted)
        let error = await #expect(throws: AgentError.self) {
            try await client.createKey(named: "mine", usage: .certificate, algorithm: .p256)
        }
        #expect(error?.member == "TokenUnavailable", "\(String(describing: error))")
        #expect(try await client.keys().map(\.name.rawValue) == ["victim"])
        // Nor is it, once what became of it is looked for.
        try agent.restart()
        let next = try await agent.client()
        for _ in 0..<200 where token.looks == 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(token.looks > 0)
        #expect(try await next.keys().map(\.name.rawValue) == ["victim"])
    }

    @Test func aKeysFolderThatOthersCanWriteKeepsTheDaemonFromStarting() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        _ = try await agent.client()
        try agent.restart { chmod(keys(agent), 0o777) }
        await #expect(throws: OwnershipError.self) { try await agent.client() }
    }

    // MARK: Weak keys

    @Test func aWeakKeyIsAdoptedOnlyIfThatIsSaidAndIsShownAsOne() async throws {
        let token = FakeToken()
        _ = token.plant(label: "old", weaknesses: [.extractable, .decrypts])
        _ = token.plant(label: "strong")
        let agent = try AgentFixture(grants: AgentFixture.everything, token: token)
        defer { agent.end() }
        var client = try await agent.client()
        let refusal = await #expect(throws: AgentError.self) {
            try await client.adoptKey(named: "web-1", uri: "pkcs11:object=old", usage: .certificate)
        }
        guard case .refused("key-is-weak", let message, _, _) = refusal else {
            Issue.record("\(String(describing: refusal))")
            return
        }
        #expect(message.contains("extractable, decrypt"))
        #expect(try await client.keys().isEmpty)
        let weak = try await client.adoptKey(named: "web-1", uri: "pkcs11:object=old", usage: .certificate, acceptWeak: true)
        #expect(weak.weaknesses == ["extractable", "decrypt"])
        #expect(agent.trail.last?.contains("a weak key was accepted: extractable, decrypt") == true)
        let strong = try await client.adoptKey(named: "web-2", uri: "pkcs11:object=strong", usage: .certificate)
        #expect(strong.weaknesses == [])
        #expect(try await client.status().problems.map { $0.what + " " + $0.name } == ["weak-key web-1"])
        try agent.restart()
        client = try await agent.client()
        #expect(try await client.keys() == [weak, strong])
        #expect(try await client.retireKey(named: "web-1").weaknesses == ["extractable", "decrypt"])
    }

    @Test func aKeyOfWhichNobodyKnowsWhetherItIsWeakNeedsAttention() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything, token: FakeToken())
        defer { agent.end() }
        _ = try await agent.client().accountKey()
        // As the first version wrote it.
        let path = agent.folder + "/state/keys/account-1.json"
        let text = try String(contentsOfFile: path, encoding: .utf8)
            .replacing(#""version":2"#, with: #""version":1"#).replacing(#","weaknesses":[]"#, with: "")
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        try agent.restart()
        let client = try await agent.client()
        #expect(try await client.keys().map(\.weaknesses) == [nil])
        #expect(try await client.status().problems.map { $0.what + " " + $0.name } == ["weak-key account-1"])
        _ = try await client.retireKey(named: "account-1")
        #expect(try await client.status().problems.map(\.name) == ["account-1"])
        try await client.deleteKey(named: "account-1")
        #expect(try await client.status().problems.isEmpty)
    }

}
