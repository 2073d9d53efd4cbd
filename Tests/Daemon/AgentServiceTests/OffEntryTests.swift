import ACME
import AgentInterface
import ConfigurationFile
import Foundation
import Logging
import NIOCore
import SigningPolicy
import Synchronization
import Testing

@testable import AgentClient
@testable import AgentService

/// A system whose users, groups and files come and go.
final class FakeSystem: Sendable {
    private let answers = Mutex<[Lookup: LookupAnswer]>([:])
    private let hanging = Mutex<Set<Lookup>>([])
    private let asked = Mutex<[Lookup: Int]>([:])

    var desk: LookupDesk { LookupDesk { self.answer($0) } }

    func set(_ lookup: Lookup, _ answer: LookupAnswer?) { answers.withLock { $0[lookup] = answer } }
    func hang(_ lookup: Lookup, _ hangs: Bool) { hanging.withLock { _ = hangs ? $0.insert(lookup).inserted : $0.remove(lookup) != nil } }
    func count(_ lookup: Lookup) -> Int { asked.withLock { $0[lookup] ?? 0 } }

    private func answer(_ lookup: Lookup) -> LookupAnswer {
        asked.withLock { $0[lookup, default: 0] += 1 }
        while hanging.withLock({ $0.contains(lookup) }) { usleep(5_000) }
        if let answer = answers.withLock({ $0[lookup] }) { return answer }
        if case .account = lookup { return lookup.answer() }
        return .nothing("names a user that does not exist: \"x\"")
    }
}

/// One unusable entry of the configuration is off by itself: everybody concerned learns of it, and the agent switches
/// it on again.
@Suite(.timeLimit(.minutes(2))) struct OffEntryTests {
    private static let directoryUser = AgentFixture.everything.replacingOccurrences(of: "users = [USER]", with: #"users = ["ldap-user"]"#)
        .replacingOccurrences(of: #"name = "all""#, with: #"name = "from-ldap""#)
    private static let statusOnly = """
        [[grant]]
        name = "here"
        users = [USER]
        keys = ["account-*"]
        operations = ["list-keys"]
        """

    private func wait(_ condition: () async throws -> Bool) async throws {
        for _ in 0..<400 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("it did not happen within 4 seconds")
    }

    @Test func aGrantOfAnUnknownUserGrantsNothingAndComesOnWhenTheUserIsThere() async throws {
        let system = FakeSystem()
        let agent = try AgentFixture(grants: Self.directoryUser + "\n" + Self.statusOnly, desk: system.desk)
        defer { agent.end() }
        let client = try await agent.client()
        await #expect(throws: AgentError.self) { try await client.accountKey() }
        let status = try await client.status()
        #expect(status.grants.map(\.name) == ["here"])
        let entry = try #require(status.configuration?.entries.first)
        #expect(status.configuration?.off == 1)
        #expect(entry.entry == "grant \"from-ldap\"" && entry.message.hasPrefix("\"users\" names a user that does not exist"))
        #expect((entry.line ?? 0) > 8)
        #expect(agent.trail.contains { $0.contains(#""operation":"start""#) && $0.contains("off: grant \\\"from-ldap\\\"") })
        system.set(.user("ldap-user"), .number(geteuid()))
        try await wait { try await client.status().configuration?.off == 0 }
        _ = try await client.accountKey()
        #expect(agent.trail.contains { $0.contains(#""operation":"configuration-entry""#) && $0.contains("is uid \(geteuid())") })
        // Once found, it is not looked up again: a name that later gets another number changes nothing until a reload.
        let asked = system.count(.user("ldap-user"))
        system.set(.user("ldap-user"), .number(4_711))
        try await Task.sleep(for: .milliseconds(1_500))
        #expect(system.count(.user("ldap-user")) == asked)
        _ = try await client.postAsGet()
        try await agent.reload()
        await #expect(throws: AgentError.self) { try await client.postAsGet() }
    }

    /// Whom a grant was for must be in the trail, also those who were found at once.
    @Test func theTrailHasTheNumberOfEachNameOfAGrantThatComesOn() async throws {
        let system = FakeSystem()
        system.set(.user("first"), .number(4_711))
        let grant = AgentFixture.everything.replacingOccurrences(of: "users = [USER]", with: #"users = ["first", "second"]"#)
        let agent = try AgentFixture(grants: grant + "\n" + Self.statusOnly, desk: system.desk)
        defer { agent.end() }
        let client = try await agent.client()
        #expect(try await client.status().configuration?.off == 1)
        system.set(.user("second"), .number(geteuid()))
        try await wait { try await client.status().configuration?.off == 0 }
        let record = try #require(agent.trail.first { $0.contains(#""operation":"configuration-entry""#) })
        #expect(record.contains(#"user \"first\" is uid 4711"#) && record.contains(#"user \"second\" is uid \#(geteuid())"#))
    }

    @Test func aDirectoryThatHangsHoldsUpNeitherTheStartNorTheOtherGrants() async throws {
        let system = FakeSystem()
        system.hang(.user("ldap-user"), true)
        defer { system.hang(.user("ldap-user"), false) }
        system.set(.group("here"), .number(getegid()))
        let local = AgentFixture.everything.replacingOccurrences(of: "users = [USER]", with: #"groups = ["here"]"#)
        let begun = ContinuousClock.now
        let agent = try AgentFixture(grants: Self.directoryUser + "\n" + local, desk: system.desk)
        defer { agent.end() }
        let client = try await agent.client()
        #expect(ContinuousClock.now - begun < .seconds(20))
        _ = try await client.accountKey()
        _ = try await client.postAsGet()
        #expect(try await client.status().configuration?.entries.map(\.entry) == ["grant \"from-ldap\""])
        // As soon as it answers, without waiting for a timer.
        system.set(.user("ldap-user"), .number(geteuid()))
        system.hang(.user("ldap-user"), false)
        try await wait { try await client.status().configuration?.off == 0 }
        #expect(system.count(.user("ldap-user")) == 1)
    }

    /// Grants never add up, and the rest of a grant is not what was written.
    @Test func aGrantWithOneUnknownNameIsOffWhole() throws {
        var off: [OffEntry] = []
        let grants = """
            [[grant]]
            name = "g"
            users = [4711, "somebody"]
            groups = ["some"]
            operations = ["issue"]
            """
        let token = "[[token]]\nname = \"t\"\nmodule = \"/m.so\"\nuri = \"pkcs11:token=t\"\n"
        let configuration = try AgentConfiguration(ConfigurationFile.parse(Array((token + grants).utf8), file: "c.toml"))
        let found: [Lookup: LookupAnswer] = [.user("somebody"): .number(1), .group("some"): .number(2)]
        #expect(try Policy(configuration.grants, answers: found, off: &off).grants.first?.peers == [.user(4_711), .user(1), .group(2)])
        #expect(off.isEmpty)
        for missing in [Lookup.user("somebody"), .group("some")] {
            off = []
            var answers = found
            answers[missing] = .nothing("names a user that cannot be looked up now")
            #expect(try Policy(configuration.grants, answers: answers, off: &off).grants.isEmpty)
            #expect(off.map(\.entry) == ["grant \"g\""])
        }
        off = []
        #expect(try Policy(configuration.grants, answers: [:], off: &off).grants.isEmpty)
        #expect(off.count == 1)
    }

    @Test func everyNameThatIsMissingIsNamed() throws {
        let text = """
            [[token]]
            name = "t"
            module = "/m.so"
            uri = "pkcs11:token=t"
            [[grant]]
            name = "g"
            users = [4711, "alice", "bob"]
            groups = ["staff"]
            operations = ["issue"]
            """
        let configuration = try AgentConfiguration(ConfigurationFile.parse(Array(text.utf8), file: "c.toml"))
        var answers: [Lookup: LookupAnswer] = [.user("bob"): .number(1)]
        for (lookup, name) in [(Lookup.user("alice"), "alice"), (.group("staff"), "staff")] {
            answers[lookup] = .nothing("names what does not exist: \"\(name)\"")
        }
        var off: [OffEntry] = []
        _ = try Policy(configuration.grants, answers: answers, off: &off)
        let entry = try #require(off.first)
        #expect(
            entry.message == "\"users\" names what does not exist: \"alice\"; \"groups\" names what does not exist: \"staff\"")
        #expect(entry.line == 7 && entry.grant == "g" && entry.peers == [.user(4_711), .user(1)])
    }

    /// A caller named by a grant that is off learns why; a caller with no other grant learns that there are some.
    @Test func aGrantThatIsOffIsToldToThoseWhomItNames() throws {
        let text = """
            [[token]]
            name = "t"
            module = "/m.so"
            uri = "pkcs11:token=t"
            [[grant]]
            name = "g"
            users = [4711, "alice"]
            operations = ["issue"]
            [[grant]]
            name = "h"
            users = ["bob"]
            operations = ["issue"]
            """
        let configuration = try LoadedConfiguration(
            AgentConfiguration(ConfigurationFile.parse(Array(text.utf8), file: "c.toml")), digest: "00", loaded: 1_000, answers: [:])
        func problems(_ user: UInt32, _ grants: [Grant] = []) -> [ProblemStatus] {
            configuration.problems(for: Peer(uid: user, gids: []), grants: grants)
        }
        let named = problems(4_711)
        #expect(named.map(\.what) == ["grant", "grants"])
        #expect(named.first?.name == "g" && named.first?.message.hasPrefix("it names you, and is off: \"users\"") == true)
        #expect(named.last?.message.hasPrefix("1 in the configuration is off") == true)
        let stranger = problems(4_712)
        #expect(stranger.map(\.what) == ["grants"])
        #expect(stranger.first?.message.hasPrefix("2 in the configuration are off") == true)
        // A caller learns no names of other users.
        #expect(!stranger.contains { $0.message.contains("alice") || $0.message.contains("bob") })
        let grant = Grant(name: "mine", peers: [.user(4_712)], keys: [], operations: [.listKeys])
        #expect(problems(4_712, [grant]).isEmpty)
    }

    /// A caller learns no names of other users.
    @Test(
        arguments: [
            (0, [], true, true), (geteuid(), [], true, true), (4_711, [], false, false), (4_711, [.listKeys], true, false),
            (4_711, [.readAudit], true, true),
        ] as [(UInt32, Set<ACME.Operation>, Bool, Bool)])
    func whichEntriesAreOffIsForAdministrators(_ user: UInt32, _ operations: Set<ACME.Operation>, _ hears: Bool, _ hearsAll: Bool) throws {
        let text = """
            [[token]]
            name = "t"
            module = "/m.so"
            uri = "pkcs11:token=t"
            [[grant]]
            name = "g"
            users = ["somebody"]
            operations = ["issue"]
            """
        let configuration = try LoadedConfiguration(
            AgentConfiguration(ConfigurationFile.parse(Array(text.utf8), file: "c.toml")), digest: "00", loaded: 1_000, answers: [:])
        let grants = operations.isEmpty ? [] : [Grant(name: "mine", peers: [.user(user)], keys: [], operations: operations)]
        let status = ConfigurationStatus(configuration, reloadError: "c.toml:1: wrong", user: user, grants: grants)
        #expect((status != nil) == hears)
        guard let status else { return }
        #expect(status.off == 1 && status.loaded == "1970-01-01T00:00:01Z")
        #expect((status.entries.map(\.entry) == ["grant \"g\""]) == hearsAll)
        #expect((status.reloadError != nil) == hearsAll)
    }

    @Test(arguments: ["bm90 IGEgIGtleQ", "not base64url!", "", "missing", "readable"])
    func aCredentialThatCannotBeUsedIsOffAndComesOnByItself(_ content: String) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/mac-\(UUID().uuidString.prefix(13))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/key"
        if content != "missing" {
            try (content == "readable" ? Self.macKey : content).write(toFile: path, atomically: false, encoding: .utf8)
            chmod(path, content == "readable" ? 0o644 : 0o600)
        }
        let account = """
            [[external-account]]
            name = "ca"
            directory = "\(AgentFixture.directory)"
            key-id = "kid"
            hmac-key-file = "\(path)"
            """
        let agent = try AgentFixture(grants: AgentFixture.everything + "\nexternal-accounts = [\"ca\"]\n" + account)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        let status = try await client.status()
        #expect(status.externalAccounts.isEmpty)
        #expect(status.configuration?.entries.first?.entry == "external account \"ca\"")
        #expect(status.configuration?.entries.first?.message.contains(path) == true)
        try Self.macKey.write(toFile: path, atomically: false, encoding: .utf8)
        chmod(path, 0o600)
        try await wait { try await client.status().externalAccounts == ["ca"] }
        #expect(try await client.status().configuration?.off == 0)
    }

    private static let macKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"

    @Test func withoutItsGroupTheSocketIsItsOwnersAlone() async throws {
        let system = FakeSystem()
        let agent = try AgentFixture(grants: AgentFixture.everything, settings: "socket-group = \"callers\"", desk: system.desk)
        defer { agent.end() }
        let client = try await agent.client()
        #expect(try await client.status().configuration?.entries.map(\.entry) == ["the socket's group"])
        var status = stat()
        try #require(stat(agent.socket, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        system.set(.group("callers"), .number(getegid()))
        try await wait {
            try #require(stat(agent.socket, &status) == 0)
            return status.st_mode & 0o777 == 0o660
        }
        #expect(status.st_gid == getegid())
    }

    @Test func whatIsMissingIsLookedForSoonAndAtMostAMinuteApart() {
        var pace = RetryPace()
        #expect((0..<8).map { _ in pace.next() } == [1, 2, 4, 8, 16, 32, 60, 60].map { .seconds($0) })
    }

    @Test func theSystemsNamesAreFoundAndOthersNot() {
        #expect(UserDirectory.user("root") == .number(0))
        #expect(UserDirectory.group("root") == .number(0))
        #expect(UserDirectory.user("no-such-user-here") == .unknown)
        #expect(PeerName("0") == .number(0))
        #expect(PeerName("+0") == .name("+0"))
    }

    /// A lookup that hangs costs its thread, and no other lookup.
    @Test func manyHangingNamesLeaveRoomForTheOthers() {
        let system = FakeSystem()
        let hanging = (0..<12).map { Lookup.user("hanging-\($0)") }
        for lookup in hanging { system.hang(lookup, true) }
        defer { for lookup in hanging { system.hang(lookup, false) } }
        system.set(.user("local"), .number(7))
        let desk = system.desk
        let answers = desk.answers(to: Set(hanging + [.user("local")]), within: 1)
        #expect(answers.count == 1)
        guard case .number(7)? = answers[.user("local")] else {
            Issue.record("the local user was not found")
            return
        }
    }
}
