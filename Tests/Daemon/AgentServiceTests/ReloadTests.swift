import ACME
import AgentInterface
import AuditTrail
import Foundation
import Synchronization
import Testing
import TokenProtocol
import Varlink

@testable import AgentClient
@testable import AgentService

/// A running daemon that is told to read its configuration again.
@Suite(.timeLimit(.minutes(2))) struct ReloadTests {
    private static let noKeys = AgentFixture.everything.replacingOccurrences(of: #"keys = ["*"]"#, with: #"keys = ["other-*"]"#)

    @Test func aNewPolicyHoldsForOpenConnections() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        _ = try await client.postAsGet()
        let before = try await client.status()
        try agent.write(grants: Self.noKeys)
        // Without being told, the daemon does not look.
        _ = try await client.postAsGet()
        try await agent.reload()
        await #expect(throws: AgentError.keyNotFound(name: "account-1")) { try await client.postAsGet() }
        let status = try await client.status()
        #expect(status.grants.map(\.keys) == [["other-*"]])
        #expect(status.configuration?.reloadError == nil)
        #expect(status.configuration?.off == 0)
        let (former, new) = (try #require(before.configuration?.sha256), try #require(status.configuration?.sha256))
        #expect(former != new)
        #expect(agent.trail.contains { $0.contains(#""operation":"start""#) && $0.contains(former) })
        #expect(agent.trail.contains { $0.contains(#""operation":"reload""#) && $0.contains("\(former) -> \(new)") })
        // And back.
        try agent.write(grants: AgentFixture.everything)
        try await agent.reload()
        _ = try await client.postAsGet()
        #expect(agent.token.launches == 1)
    }

    /// Otherwise it would show only at the next login, which may be months away.
    @Test func aPINFileThatHasBecomeUnusableIsToldOfAtAReload() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        agent.token.faultPIN(with: TokenFailure(.pinUnavailable, message: "the PIN file is not valid, line 2", hint: "write it again"))
        func message(after wish: (String?) -> Bool) async throws -> TokenStatus? {
            try await agent.reload()
            for _ in 0..<200 {
                if let token = try await client.status().tokens.first, wish(token.message) { return token }
                try await Task.sleep(for: .milliseconds(10))
            }
            return nil
        }
        let token = try #require(try await message { $0 != nil })
        #expect(token.state == .ready && token.hint?.hasPrefix("the PIN file must hold the PIN alone on one line") == true)
        #expect(
            token.message
                == "its next login will fail: there is no PIN to log in with; its helper says: the PIN file is not valid, line 2")
        // It still signs: its login is valid.
        _ = try await client.postAsGet()
        agent.token.faultPIN(with: nil)
        #expect(try await message { $0 == nil } != nil)
        #expect(agent.token.launches == 1)
    }

    @Test(arguments: [
        ("connections = 0", "connections", 3), ("sokcet = \"/x\"", "sokcet", 3), ("verify-signatures = \"none\"", "fault-sensitive", 3),
        ("helper = \"/bin/true\"", "\"helper\" differs from the", 3), ("mebibytes = 64", "\"mebibytes\" differs from the", 3),
        ("[audit]\nfile = \"/tmp/elsewhere.jsonl\"", "\"file\" differs from the", 4),
    ])
    func aConfigurationIsTakenWholeOrNotAtAll(_ setting: String, _ words: String, _ line: Int) async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        let before = try await client.status()
        try agent.write(grants: Self.noKeys, settings: setting)
        try await agent.reload()
        _ = try await client.postAsGet()
        let status = try await client.status()
        #expect(status.grants == before.grants && status.configuration?.sha256 == before.configuration?.sha256)
        let error = try #require(status.configuration?.reloadError)
        #expect(error.hasPrefix("\(agent.file):\(line): ") && error.contains(words), "\(error)")
        #expect(agent.trail.contains { $0.contains(#""operation":"reload""#) && $0.contains(#""result":"refused""#) })
        // The next good one clears the error.
        try agent.write(grants: AgentFixture.everything)
        try await agent.reload()
        #expect(try await client.status().configuration?.reloadError == nil)
    }

    @Test func aConfigurationThatSomebodyElseCouldWriteIsNotTaken() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        try agent.write(grants: Self.noKeys)
        chmod(agent.file, 0o666)
        try await agent.reload()
        let status = try await client.status()
        #expect(status.grants.map(\.keys) == [["*"]])
        #expect(status.configuration?.reloadError?.contains("can be written by users other") == true)
    }

    /// Connections, and a reload in the middle of their requests: every call is answered, by the old rules or the new
    /// ones.
    @Test func noConnectionIsDroppedAndEveryCallIsAnswered() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        let isOver = Mutex(false)
        let work = Task {
            var signed = 0, refused = 0
            while !isOver.withLock({ $0 }) {
                do {
                    _ = try await client.postAsGet()
                    signed += 1
                } catch AgentError.keyNotFound { refused += 1 }
            }
            return (signed, refused)
        }
        for round in 0..<6 {
            try agent.write(grants: round.isMultiple(of: 2) ? Self.noKeys : AgentFixture.everything)
            try await agent.reload()
        }
        isOver.withLock { $0 = true }
        let (signed, refused) = try await work.value
        #expect(signed > 0 && refused > 0)
        #expect(agent.token.launches == 1)
        _ = try await client.postAsGet()
    }

    @Test func whoFollowsTheTrailStopsWithItsGrant() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        _ = try await agent.client()
        let connection = try await VarlinkConnection.connect(to: try #require(VarlinkAddress(path: agent.socket)))
        let follower = Task {
            var parts = 0
            do {
                for try await _ in try connection.callMore("\(AgentInterfaceText.name).ReadAudit", parameters: Array("{}".utf8)) {
                    parts += 1
                }
                return (parts, "ended")
            } catch { return (parts, "\(error)") }
        }
        try await Task.sleep(for: .milliseconds(400))
        try agent.write(grants: AgentFixture.everything.replacingOccurrences(of: #", "read-audit""#, with: ""))
        try await agent.reload()
        let (parts, end) = await follower.value
        #expect(parts > 0)
        #expect(end.contains("Refused"), "\(end)")
        await connection.close()
    }

    @Test func changedTokensAreOpenedAnewAndTheOthersNotTouched() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        let second = AgentFixture.fakeToken.replacingOccurrences(of: "\"fake\"", with: "\"second\"")
        try agent.write(grants: AgentFixture.everything, tokens: AgentFixture.fakeToken + "\n" + second)
        try await agent.reload()
        _ = try await client.postAsGet()
        #expect(agent.token.launches == 2)
        #expect(try await client.status().tokens.map(\.name) == ["fake", "second"])
        // The first one gets other settings: its helper is replaced, and requests wait meanwhile.
        let changed = AgentFixture.fakeToken.replacingOccurrences(of: "pool = 2", with: "pool = 1")
        try agent.write(grants: AgentFixture.everything, tokens: second + "\n" + changed)
        try await agent.reload()
        _ = try await client.postAsGet()
        #expect(agent.token.launches == 3)
        #expect(try await client.status().tokens.map(\.name) == ["second", "fake"])
        // Once it is gone, its keys report that; once it is back, they sign.
        try agent.write(grants: AgentFixture.everything, tokens: second)
        try await agent.reload()
        do {
            _ = try await client.postAsGet()
            Issue.record("a token that is no longer configured signed")
        } catch AgentError.tokenUnavailable(let token, let reason, _, _, _) {
            #expect(token == "fake" && reason == "notConfigured")
        }
        try agent.write(grants: AgentFixture.everything, tokens: second + "\n" + AgentFixture.fakeToken)
        try await agent.reload()
        _ = try await client.postAsGet()
        #expect(agent.token.launches == 4)
    }

    @Test(arguments: [true, false]) func whatATokenHasInHandIsAnsweredBeforeItIsClosed(_ isRemoved: Bool) async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        agent.token.hold(true)
        // The helper works on some; others wait for a link.
        let waiting = (0..<12).map { number in
            Task { try await AgentClient.connect(socket: agent.socket).postAsGet(url: "https://localhost:14000/order/\(number)") }
        }
        let intents = { agent.trail.count { $0.contains(#""kind":"intent""#) && $0.contains("post-as-get") } }
        for _ in 0..<500 where intents() < 12 { try await Task.sleep(for: .milliseconds(10)) }
        let other = AgentFixture.fakeToken.replacingOccurrences(of: "\"fake\"", with: "\"other\"")
        let changed = AgentFixture.fakeToken.replacingOccurrences(of: "pool = 2", with: "pool = 1")
        try agent.write(grants: AgentFixture.everything, tokens: isRemoved ? other : changed)
        try await agent.reload()
        // Requested after the reload: from the new helper, which waits until the old one has ended, or from none.
        let later = Task { try await client.postAsGet() }
        agent.token.hold(false)
        for task in waiting { _ = try await task.value }
        if isRemoved {
            await #expect(throws: AgentError.self) { try await later.value }
        } else {
            _ = try await later.value
        }
    }

    /// The file may hold another key by now.
    @Test func aReloadReadsSecretsAnew() async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/mac-\(UUID().uuidString.prefix(13))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/key"
        func put(_ text: String) throws {
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            chmod(path, 0o600)
        }
        try put("zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W\n")
        let account = """
            [[external-account]]
            name = "ca"
            directory = "\(AgentFixture.directory)"
            key-id = "kid"
            hmac-key-file = "\(path)"
            """
        let agent = try AgentFixture(grants: AgentFixture.everything + "\n" + account)
        defer { agent.end() }
        let client = try await agent.client()
        #expect(try await client.status().configuration?.off == 0)
        // What is in memory stays in use; a new, invalid file does not replace it.
        try put("no key at all")
        #expect(try await client.status().configuration?.off == 0)
        try await agent.reload()
        #expect(try await client.status().configuration?.entries.map(\.entry) == ["external account \"ca\""])
    }

    @Test func limitsAreThoseOfTheNewConfiguration() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        try agent.write(grants: AgentFixture.everything, settings: "connections-per-user = 1")
        try await agent.reload()
        _ = try await client.status()
        await #expect(throws: (any Error).self) { try await AgentClient.connect(socket: agent.socket).status() }
        try agent.write(grants: AgentFixture.everything, settings: "connections-per-user = 2")
        try await agent.reload()
        _ = try await AgentClient.connect(socket: agent.socket).status()
    }
}
