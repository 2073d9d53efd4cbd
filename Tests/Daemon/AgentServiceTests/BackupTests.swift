import ACME
import AgentClient
import AuditTrail
import DurableFile
import FaultyDisk
import Foundation
import JOSE
import KeyNameLiterals
import Logging
import Testing

@testable import AgentService

/// Backups of the agent's state, and what comes back from them.
@Suite(.timeLimit(.minutes(3))) struct BackupTests {
    private static let document = BackupDocument(
        version: "1.2.3", created: "2026-11-29T08:53:18Z",
        configuration: .init(name: "/etc/x.toml", bytes: Array("# ü\nsocket = \"/x\"\n".utf8)),
        keys: [.init(name: "a.json", bytes: Array("{}\n".utf8)), .init(name: "b.json", bytes: [0xFF, 0, 0x0A])],
        trailFile: "/var/audit.jsonl", trailHead: AuditHead("7:" + String(repeating: "ab", count: 32)),
        secrets: [.init(file: "/etc/pin", setting: "pin-source of token \"x\"")])

    /// A daemon with two keys, which has signed.
    private func fixture() async throws -> AgentFixture {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        let client = try await agent.client()
        _ = try await client.accountKey()
        _ = try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256)
        _ = try await client.postAsGet()
        await client.close()
        return agent
    }

    private func keys(_ agent: AgentFixture) -> [String: Data] {
        let folder = agent.folder + "/state/keys"
        var keys: [String: Data] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            keys[name] = FileManager.default.contents(atPath: folder + "/" + name)
        }
        return keys
    }

    private func kept(_ agent: AgentFixture) -> [String] {
        ["", "/state"].flatMap { (try? FileManager.default.contentsOfDirectory(atPath: agent.folder + $0)) ?? [] }
            .filter { $0.contains(".before-restore-") }
    }

    /// As on a new machine: nothing of the state is left but what is told.
    private func wipe(_ agent: AgentFixture, trail: Bool = false) {
        var paths = ["/state/keys", "/state/audit-head", "/acme-agentd.toml"]
        if trail { paths.append("/state/audit") }
        for path in paths { try? FileManager.default.removeItem(atPath: agent.folder + path) }
    }

    private func failure(_ body: () throws -> Void) -> DaemonError? {
        do {
            try body()
            return nil
        } catch { return DaemonError(error) }
    }

    @Test func aDocumentIsReadAsItWasWritten() throws {
        let bytes = Self.document.bytes()
        #expect(try BackupDocument(bytes) == Self.document)
        #expect(try JSONSerialization.jsonObject(with: Data(bytes)) is [String: Any])
        var other = Self.document
        other.trailHead = nil
        #expect(try BackupDocument(other.bytes()) == other)
    }

    @Test func aChangedByteIsNoticed() throws {
        let bytes = Self.document.bytes()
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 1
            #expect(throws: BackupError.self, "byte \(index)") { try BackupDocument(other) }
        }
        for count in [0, 1, bytes.count / 2, bytes.count - 1] {
            #expect(throws: BackupError.self, "\(count) bytes") { try BackupDocument(Array(bytes.prefix(count))) }
        }
        #expect(throws: BackupError.self) { try BackupDocument(bytes + [0x20]) }
    }

    @Test func aNewerFormatIsNamed() throws {
        let error = failure { _ = try BackupDocument(Array(#"{"format":99,"new":1}"#.utf8)) }
        #expect(error?.message.contains("newer") == true && error?.hint == "use the newer version", "\(String(describing: error))")
        #expect(failure { _ = try BackupDocument(Array("{}".utf8)) }?.message.contains("is not a backup") == true)
    }

    @Test func aRunningDaemonsStateIsInItAndNoSecret() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let pin = agent.folder + "/hsm.pin", mac = agent.folder + "/mac.key"
        for (file, secret) in [(pin, "48151623"), (mac, "c2VjcmV0LW1hYy1rZXktb2YtYS1DQQ")] {
            try secret.write(toFile: file, atomically: false, encoding: .utf8)
            chmod(file, 0o600)
        }
        try agent.write(
            grants: AgentFixture.everything,
            tokens: AgentFixture.fakeToken + """

                pin-source = "\(pin)"
                [[external-account]]
                name = "ca"
                directory = "https://localhost:14000/dir"
                key-id = "k"
                hmac-key-file = "\(mac)"
                """)
        let path = agent.folder + "/backup.json"
        let text = try AgentBackup.make(of: agent.file, to: path)
        for part in [pin, mac, "entries of keys: 2", "the audit trail's files"] {
            #expect(text.contains(part), "\(text)")
        }
        #expect(try FileStatus(at: path).mode == 0o600)
        let content = try String(contentsOfFile: path, encoding: .utf8)
        #expect(!content.contains("48151623") && !content.contains("c2VjcmV0LW1hYy1rZXktb2YtYS1DQQ"))
        let document = try BackupDocument(Array(content.utf8))
        #expect(Dictionary(uniqueKeysWithValues: document.keys.map { ($0.name, Data($0.bytes)) }) == keys(agent))
        #expect(document.secrets.map(\.file) == [pin, mac])
        // The head is of this trail, and known to be on disk.
        let head = try #require(document.trailHead)
        let line = try #require(try agent.trail.map { try AuditEntry(line: Array($0.utf8)) }.first { $0.record.sequence == head.sequence })
        #expect(line.hash == head.hash)
        // Nothing is replaced.
        let again = failure { _ = try AgentBackup.make(of: agent.file, to: path) }
        #expect(again?.message.contains("exists") == true && again?.exitCode == 1)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == content)
        #expect(failure { _ = try AgentBackup.make(of: agent.file, to: agent.folder + "/none/b.json") } != nil)
        // A PIN in the configuration itself.
        try agent.write(
            grants: AgentFixture.everything,
            tokens: AgentFixture.fakeToken.replacingOccurrences(of: "token=fake", with: "token=fake?pin-value=48151623"))
        #expect(failure { _ = try AgentBackup.make(of: agent.file, to: agent.folder + "/c.json") }?.message.contains("pin-value") == true)
        // Also in a comment.
        try agent.write(
            grants: AgentFixture.everything, settings: "# uri = \"pkcs11:token=old?pin-value=48151623\"", tokens: AgentFixture.fakeToken)
        #expect(failure { _ = try AgentBackup.make(of: agent.file, to: agent.folder + "/c.json") }?.message.hasPrefix("line 3 of ") == true)
        #expect(!FileManager.default.fileExists(atPath: agent.folder + "/c.json"))
        try agent.write(grants: AgentFixture.everything)
    }

    /// One bad file among the entries keeps nobody from making a backup; and what the daemon distrusts does not come back
    /// trusted.
    @Test func whatTheDaemonWouldNotUseIsLeftOut() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json", folder = agent.folder + "/state/keys/"
        try agent.restart {
            try FileManager.default.copyItem(atPath: folder + "web-1.json", toPath: folder + "writable.json")
            chmod(folder + "writable.json", 0o666)
            try FileManager.default.createSymbolicLink(atPath: folder + "link.json", withDestinationPath: "web-1.json")
            try FileManager.default.createDirectory(atPath: folder + "folder.json", withIntermediateDirectories: false)
            try Data(count: 64 * 1024).write(to: URL(fileURLWithPath: folder + "large.json"))
            try #require(mkfifo(folder + "pipe.json", 0o600) == 0)
            let text = try AgentBackup.make(of: agent.file, to: path)
            let document = try BackupDocument(Array(FileManager.default.contents(atPath: path) ?? Data()))
            #expect(document.keys.map(\.name) == ["account-1.json", "web-1.json"])
            let warning = try #require(text.split(separator: "\n").last.map(String.init))
            #expect(warning.hasPrefix("warning: cannot be used, and were left out: "), "\(text)")
            let left = ["writable.json", "link.json", "folder.json", "large.json", "pipe.json"]
            for name in left { #expect(warning.contains("\(name) ("), "\(text)") }
            // Other state than the backup's, though all that can be used is the same.
            let refused = failure { _ = try AgentBackup.restore(path, configurationFile: nil, replaces: false) }
            #expect(refused?.message.hasSuffix("/state/keys") == true, "\(String(describing: refused))")
            _ = try AgentBackup.restore(path, configurationFile: nil, replaces: true)
            #expect(keys(agent).keys.sorted() == ["account-1.json", "web-1.json"])
        }
        _ = try await agent.client().postAsGet()
    }

    @Test func aTrailWithoutItsHeadIsSaid() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        try agent.restart {
            try FileManager.default.removeItem(atPath: agent.folder + "/state/audit-head")
            let text = try AgentBackup.make(of: agent.file, to: agent.folder + "/a.json")
            #expect(text.contains("audit trail: there is one, but not its head"), "\(text)")
            try FileManager.default.moveItem(atPath: agent.folder + "/state/audit", toPath: agent.folder + "/audit")
            #expect(try AgentBackup.make(of: agent.file, to: agent.folder + "/b.json").contains("audit trail: none was begun yet"))
            try FileManager.default.moveItem(atPath: agent.folder + "/audit", toPath: agent.folder + "/state/audit")
        }
        _ = try await agent.client().postAsGet()
    }

    @Test func aWipedStateComesBack() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json", before = keys(agent)
        let configuration = try String(contentsOfFile: agent.file, encoding: .utf8)
        try agent.restart {
            _ = try AgentBackup.make(of: agent.file, to: path)
            wipe(agent)
            let text = try AgentBackup.restore(path, configurationFile: nil, replaces: false)
            #expect(text.contains("it has the backup's head"), "\(text)")
            #expect(keys(agent) == before && kept(agent).isEmpty)
            #expect(try String(contentsOfFile: agent.file, encoding: .utf8) == configuration)
            #expect(try FileStatus(at: agent.folder + "/state/keys").mode == 0o700)
            #expect(try FileStatus(at: agent.folder + "/state/keys/web-1.json").mode == 0o600)
            // Once more changes nothing.
            _ = try AgentBackup.restore(path, configurationFile: nil, replaces: false)
            #expect(keys(agent) == before && kept(agent).isEmpty)
        }
        let client = try await agent.client()
        #expect(try await client.keys().map(\.name).sorted() == ["account-1", "web-1"])
        _ = try await client.postAsGet()
    }

    @Test func whoMayReadTheConfigurationComesBack() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json"
        func access() throws -> [UInt32] {
            let status = try FileStatus(at: agent.file)
            return [status.mode, status.group]
        }
        try agent.restart {
            var group = getegid()
            if geteuid() == 0, case .number(let other) = UserDirectory.group("daemon") { group = other }
            chmod(agent.file, 0o640)
            try #require(chown(agent.file, uid_t.max, group) == 0)
            _ = try AgentBackup.make(of: agent.file, to: path)
            try (String(contentsOfFile: agent.file, encoding: .utf8) + "# edited\n").write(
                toFile: agent.file, atomically: false, encoding: .utf8)
            _ = try AgentBackup.restore(path, configurationFile: nil, replaces: true)
            #expect(try access() == [0o640, group])
            wipe(agent)
            _ = try AgentBackup.restore(path, configurationFile: nil, replaces: false)
            #expect(try access() == [0o640, group])
            // On a machine without that group.
            var document = try BackupDocument(Array(FileManager.default.contents(atPath: path) ?? Data()))
            document.configurationGroup = "acme-agent-no-such-group"
            try DurableFile.replace(path, with: document.bytes(), mode: 0o600)
            wipe(agent)
            _ = try AgentBackup.restore(path, configurationFile: nil, replaces: false)
            #expect(try access() == [0o644, getegid()])
        }
        _ = try await agent.client().postAsGet()
    }

    /// Not the keys alone, either.
    @Test func nothingIsPutBackIfTheConfigurationCannotBe() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json", before = keys(agent)
        try agent.restart {
            _ = try AgentBackup.make(of: agent.file, to: path)
            wipe(agent)
            let file = agent.folder + "/none/acme-agentd.toml"
            let error = failure { _ = try AgentBackup.restore(path, configurationFile: file, replaces: false) }
            #expect(error?.message.contains("/none cannot be written") == true, "\(String(describing: error))")
            #expect(error?.hint == "make it first" && keys(agent).isEmpty)
            if geteuid() == 0 {
                try #require(chown(path, 4_711, 4_711) == 0)
                let distrust = failure { _ = try AgentBackup.restore(path, configurationFile: nil, replaces: false) }
                #expect(distrust?.hint?.contains("give it to root") == true, "\(String(describing: distrust))")
                try #require(chown(path, 0, 0) == 0)
            }
            _ = try AgentBackup.restore(path, configurationFile: nil, replaces: false)
            #expect(keys(agent) == before)
        }
        _ = try await agent.client().postAsGet()
    }

    @Test func nothingIsRestoredBesideARunningDaemon() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json"
        _ = try AgentBackup.make(of: agent.file, to: path)
        let error = failure { _ = try AgentBackup.restore(path, configurationFile: nil, replaces: true) }
        #expect(error?.message.hasPrefix("a daemon may be running: ") == true, "\(String(describing: error))")
        #expect(error?.hint == "systemctl stop acme-agentd.socket acme-agentd.service" && kept(agent).isEmpty)
        // With another socket in the backup, the trail's lock says so.
        let text = try String(contentsOfFile: agent.file, encoding: .utf8)
        var document = try BackupDocument(Array(FileManager.default.contents(atPath: path) ?? Data()))
        document.configuration.bytes = Array(text.replacingOccurrences(of: "agent.sock", with: "other.sock").utf8)
        try DurableFile.replace(path, with: document.bytes(), mode: 0o600)
        let elsewhere = agent.folder + "/elsewhere.toml"
        let other = failure { _ = try AgentBackup.restore(path, configurationFile: elsewhere, replaces: true) }
        #expect(other?.message.hasPrefix("a daemon may be running: ") == true, "\(String(describing: other))")
        #expect(!FileManager.default.fileExists(atPath: elsewhere))
    }

    @Test func otherStateStaysUnlessItIsToBeReplacedAndThenBeside() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json"
        _ = try AgentBackup.make(of: agent.file, to: path)
        _ = try await agent.client().createKey(named: "web-2", usage: .certificate, algorithm: .p256)
        try agent.restart {
            let now = keys(agent)
            let refused = failure { _ = try AgentBackup.restore(path, configurationFile: nil, replaces: false) }
            #expect(refused?.message.contains("there is state already") == true, "\(String(describing: refused))")
            #expect(refused?.message.contains("/state/keys") == true && refused?.hint?.contains("--replace") == true)
            #expect(keys(agent) == now && kept(agent).isEmpty)
            try (String(contentsOfFile: agent.file, encoding: .utf8) + "# edited\n").write(
                toFile: agent.file, atomically: false, encoding: .utf8)
            let text = try AgentBackup.restore(path, configurationFile: nil, replaces: true)
            #expect(keys(agent).keys.sorted() == ["account-1.json", "web-1.json"])
            #expect(try !String(contentsOfFile: agent.file, encoding: .utf8).contains("# edited"))
            let beside = kept(agent).sorted()
            #expect(beside.count == 2 && beside.first?.hasPrefix("acme-agentd.toml.") == true && beside.last?.hasPrefix("keys.") == true)
            for name in beside { #expect(text.contains(name), "\(text)") }
            let old = try #require(beside.last)
            #expect(FileManager.default.fileExists(atPath: "\(agent.folder)/state/\(old)/web-2.json"))
        }
        #expect(try await agent.client().keys().map(\.name).sorted() == ["account-1", "web-1"])
    }

    /// The package's file configures nothing, and is no state.
    @Test func aConfigurationOfCommentsIsReplaced() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json"
        try agent.restart {
            _ = try AgentBackup.make(of: agent.file, to: path)
            wipe(agent)
            try "# see the example\n\n  # and nothing else\n".write(toFile: agent.file, atomically: false, encoding: .utf8)
            _ = try AgentBackup.restore(path, configurationFile: nil, replaces: false)
            #expect(kept(agent).isEmpty)
        }
        _ = try await agent.client().postAsGet()
    }

    @Test func aTrailThatIsBehindTheBackupIsSaidAndNotTakenUnasked() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json", trail = agent.folder + "/state/audit/audit.jsonl"
        try agent.restart {
            _ = try AgentBackup.make(of: agent.file, to: path)
            wipe(agent)
            let lines = try String(contentsOfFile: trail, encoding: .utf8).split(separator: "\n")
            try (lines.dropLast(3).joined(separator: "\n") + "\n").write(toFile: trail, atomically: false, encoding: .utf8)
            let text = try AgentBackup.restore(path, configurationFile: nil, replaces: false)
            #expect(text.contains("it is behind the backup: ") && text.contains("acme-agentd --accept-audit-trail"), "\(text)")
        }
        do {
            _ = try await agent.client()
            Issue.record("started with a trail that was cut")
        } catch let error as AuditError { #expect(error.reason == .shortened) }
        try agent.restart {
            let daemon = try AgentDaemon(configurationFile: agent.file, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            #expect(try daemon.acceptAuditTrail().contains("it was cut"))
        }
        _ = try await agent.client().postAsGet()
    }

    /// A newer head is another trail's, and the daemon would not start with it.
    @Test func aNewerHeadOfAnotherTrailIsOtherState() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json", memory = AuditMemory(path: agent.folder + "/state/audit-head")
        try agent.restart {
            _ = try AgentBackup.make(of: agent.file, to: path)
            let wanted = try #require(try memory.read())
            let other = try #require(AuditHead("100000:" + String(repeating: "ab", count: 32)))
            try memory.write(other)
            let refused = failure { _ = try AgentBackup.restore(path, configurationFile: nil, replaces: false) }
            #expect(refused?.message.hasSuffix("the backup: \(agent.folder)/state/audit-head") == true, "\(String(describing: refused))")
            #expect(try memory.read() == other)
            _ = try AgentBackup.restore(path, configurationFile: nil, replaces: true)
            #expect(try memory.read() == wanted)
            #expect(kept(agent).map { $0.hasPrefix("audit-head.") } == [true])
        }
        _ = try await agent.client().postAsGet()
    }

    @Test func aDamagedHeadIsRemovedIfTheBackupHasNone() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json", head = agent.folder + "/state/audit-head"
        try agent.restart {
            _ = try AgentBackup.make(of: agent.file, to: path)
            var document = try BackupDocument(Array(FileManager.default.contents(atPath: path) ?? Data()))
            document.trailHead = nil
            try DurableFile.replace(path, with: document.bytes(), mode: 0o600)
            try "damaged".write(toFile: head, atomically: false, encoding: .utf8)
            _ = try AgentBackup.restore(path, configurationFile: nil, replaces: true)
            #expect(!FileManager.default.fileExists(atPath: head))
            #expect(kept(agent).map { $0.hasPrefix("audit-head.") } == [true])
        }
        _ = try await agent.client().postAsGet()
    }

    @Test func aTrailThatIsGoneOrAnotherOneIsSaid() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json"
        try agent.restart {
            _ = try AgentBackup.make(of: agent.file, to: path)
            wipe(agent, trail: true)
            let text = try AgentBackup.restore(path, configurationFile: nil, replaces: false)
            #expect(text.contains("is not there, and ended with record "), "\(text)")
            try FileManager.default.createDirectory(
                atPath: agent.folder + "/state/audit", withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            let log = try AuditLog(path: agent.folder + "/state/audit/audit.jsonl")
            for _ in 0..<100 { try log.record(AuditRecord(.event)) }
            try log.close()
            let other = try AgentBackup.restore(path, configurationFile: nil, replaces: false)
            #expect(other.contains("it is another one than when the backup was made"), "\(other)")
            try FileManager.default.removeItem(atPath: agent.folder + "/state/audit")
            let daemon = try AgentDaemon(configurationFile: agent.file, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            #expect(try daemon.acceptAuditTrail().contains("accepted by an administrator"))
        }
        _ = try await agent.client().postAsGet()
    }

    /// Whichever call fails, the next run completes it.
    @Test func aRestorationThatWasInterruptedIsDoneAgain() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json", before = keys(agent)
        try agent.restart {
            _ = try AgentBackup.make(of: agent.file, to: path)
            let content = FileManager.default.contents(atPath: agent.file)
            let disk = FaultyDisk(number: EIO)
            wipe(agent)
            _ = try BackupRestoration(path, configurationFile: nil, replaces: false, calls: disk.calls).restore()
            let calls = disk.made.count
            #expect(calls > 12)
            for index in 0..<calls {
                wipe(agent)
                disk.clear()
                disk.fail(at: index)
                #expect(throws: (any Error).self, "call \(index)") {
                    try BackupRestoration(path, configurationFile: nil, replaces: false, calls: disk.calls).restore()
                }
                disk.clear()
                _ = try BackupRestoration(path, configurationFile: nil, replaces: false, calls: disk.calls).restore()
                #expect(keys(agent) == before && FileManager.default.contents(atPath: agent.file) == content, "call \(index)")
                #expect(kept(agent).isEmpty)
            }
        }
        _ = try await agent.client().postAsGet()
    }

    /// Whichever call fails, nothing that was there is lost, and no daemon could start with a part of the keys.
    @Test func aReplacementThatWasInterruptedIsDoneAgain() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json", state = agent.folder + "/state", before = keys(agent)
        try agent.restart {
            _ = try AgentBackup.make(of: agent.file, to: path)
            let other = ["web-2.json": Data("{}".utf8)]
            func disturb() throws {
                for name in kept(agent) { try FileManager.default.removeItem(atPath: state + "/" + name) }
                try FileManager.default.removeItem(atPath: state + "/keys")
                try FileManager.default.createDirectory(
                    atPath: state + "/keys", withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
                try DurableFile.replace(state + "/keys/web-2.json", with: Array("{}".utf8), mode: 0o600)
            }
            let disk = FaultyDisk(number: EIO)
            try disturb()
            _ = try BackupRestoration(path, configurationFile: nil, replaces: true, calls: disk.calls).restore()
            let calls = disk.made.count
            #expect(calls > 6)
            for index in 0..<calls {
                try disturb()
                disk.clear()
                disk.fail(at: index)
                #expect(throws: (any Error).self, "call \(index)") {
                    try BackupRestoration(path, configurationFile: nil, replaces: true, calls: disk.calls).restore()
                }
                #expect([[:], before, other].contains(keys(agent)), "call \(index)")
                disk.clear()
                _ = try BackupRestoration(path, configurationFile: nil, replaces: true, calls: disk.calls).restore()
                #expect(keys(agent) == before, "call \(index)")
                let beside = try #require(kept(agent).first)
                #expect(FileManager.default.fileExists(atPath: "\(state)/\(beside)/web-2.json") && kept(agent).count == 1)
                #expect(!FileManager.default.fileExists(atPath: state + "/.keys.new"))
            }
        }
        _ = try await agent.client().postAsGet()
    }

    /// The name of a key that was deleted since does not come back unasked.
    @Test func aPartOfTheKeysIsOtherState() async throws {
        let agent = try await fixture()
        defer { agent.end() }
        let path = agent.folder + "/backup.json", before = keys(agent)
        try agent.restart {
            _ = try AgentBackup.make(of: agent.file, to: path)
            try FileManager.default.removeItem(atPath: agent.folder + "/state/keys/web-1.json")
            let refused = failure { _ = try AgentBackup.restore(path, configurationFile: nil, replaces: false) }
            #expect(refused?.message.hasSuffix("/state/keys") == true, "\(String(describing: refused))")
            #expect(keys(agent).keys.sorted() == ["account-1.json"] && kept(agent).isEmpty)
            _ = try AgentBackup.restore(path, configurationFile: nil, replaces: true)
            #expect(keys(agent) == before)
        }
        _ = try await agent.client().postAsGet()
    }

    @Test(arguments: ["../x.json", "x", "/etc/x.json", ".json", "a/b.json"]) func aNameThatIsNoEntrysLeadsNowhere(name: String) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/backup-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder + "/state", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var document = Self.document
        let text = "socket = \"\(folder)/a.sock\"\nstate-directory = \"\(folder)/state\"\n" + AgentFixture.fakeToken
        document.configuration = .init(name: folder + "/c.toml", bytes: Array(text.utf8))
        document.keys = [.init(name: name, bytes: [0x7B, 0x7D])]
        try DurableFile.replace(folder + "/b.json", with: document.bytes(), mode: 0o600)
        let error = failure { _ = try AgentBackup.restore(folder + "/b.json", configurationFile: nil, replaces: true) }
        #expect(error?.message.contains("is not the name of a key's entry") == true, "\(String(describing: error))")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["b.json", "state"])
        // Nor is one taken that others could have written.
        chmod(folder + "/b.json", 0o666)
        #expect(
            failure { _ = try AgentBackup.restore(folder + "/b.json", configurationFile: nil, replaces: true) }?.message.contains(
                "written by") == true)
    }
}
