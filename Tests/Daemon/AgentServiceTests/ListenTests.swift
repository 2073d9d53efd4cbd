import AgentClient
import AgentInterface
import ConfigurationFile
import Foundation
import Glibc
import Synchronization
import Testing
import Varlink

@testable import AgentService

/// Several sockets of one daemon.
@Suite(.timeLimit(.minutes(2))) struct ListenTests {
    private static let token = """
        [[token]]
        name = "t"
        module = "/m.so"
        uri = "pkcs11:token=t"

        """

    private func listeners(_ text: String) throws(ConfigurationError) -> [AgentConfiguration.ListenSetting] {
        try AgentConfiguration(ConfigurationFile.parse(Array((text + ListenTests.token).utf8), file: "acme-agentd.toml")).listeners
    }

    private func status(_ path: String) -> (mode: mode_t, inode: ino_t)? {
        var status = stat()
        return lstat(path, &status) == 0 ? (status.st_mode & 0o7777, status.st_ino) : nil
    }

    /// Whether a call through this socket is answered.
    private func answers(_ path: String) async -> Bool {
        guard let client = try? await AgentClient.connect(socket: path) else { return false }
        let status = try? await client.status()
        await client.close()
        return status != nil
    }

    /// A `[[listen]]` in the fixture's folder.
    private func listen(_ agent: AgentFixture, _ name: String, _ rest: String = "") -> String {
        "[[listen]]\npath = \"\(agent.folder)/\(name)\"\n\(rest)\n"
    }

    // MARK: The file

    @Test func oneSocketOrSeveralAreRead() throws {
        let none = try listeners("")
        #expect(none.map(\.path) == ["/run/acme-agent/agent.sock"] && none.map(\.mode) == [0o660] && none[0].group == nil)
        let one = try listeners("socket = \"/a\"\nsocket-mode = \"0600\"\nsocket-group = \"web\"\n")
        #expect(one.map(\.path) == ["/a"] && one.map(\.mode) == [0o600] && one.map(\.group) == ["web"])
        let mode = try listeners("socket-mode = \"0666\"\n")
        #expect(mode.map(\.path) == ["/run/acme-agent/agent.sock"] && mode.map(\.mode) == [0o666])
        let all = try listeners(
            "socket = \"/a\"\n[[listen]]\npath = \"/b\"\nmode = \"0666\"\n[[listen]]\npath = \"/c\"\ngroup = \"www-data\"\n")
        #expect(all.map(\.path) == ["/a", "/b", "/c"] && all.map(\.mode) == [0o660, 0o666, 0o660])
        #expect(all.map(\.group) == [nil, nil, "www-data"])
        // The default is for a file that names no socket.
        #expect(try listeners("[[listen]]\npath = \"/b\"\n").map(\.path) == ["/b"])
    }

    @Test func theAnnotatedExampleIsValid() throws {
        let path =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path + "/Config/acme-agentd.toml"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let block = try #require(text.components(separatedBy: "#[[listen]]\n").dropFirst().first).components(separatedBy: "\n\n")[0]
        let settings = block.split(separator: "\n").filter { !$0.hasPrefix("# ") }.map { $0.dropFirst() }.joined(separator: "\n")
        let read = try listeners("[[listen]]\n\(settings)\n")
        #expect(read.map(\.path) == ["/var/lib/haproxy/run/acme-agent/agent.sock"])
        #expect(read.map(\.mode) == [0o660] && read.map(\.group) == ["haproxy"])
    }

    @Test(arguments: [
        ("[[listen]]\nmode = \"0600\"\n", 1, "\"path\" is missing"),
        ("[[listen]]\npath = \"b\"\n", 2, "\"path\" must be an absolute path"),
        ("[[listen]]\npath = \"/b/\"\n", 2, "ends in a slash"),
        ("[[listen]]\npath = \"/b\\u0000c\"\n", 2, "control character"),
        ("[[listen]]\npath = \"/\(String(repeating: "x", count: 200))\"\n", 2, "too long"),
        ("[[listen]]\npath = \"/\(String(repeating: "x", count: 103))\"\n", 2, "too long for a socket's path (at most 103 bytes)"),
        ("[[listen]]\npath = \"/b\"\nmode = \"660x\"\n", 3, "\"mode\" must be an octal mode"),
        ("[[listen]]\npath = \"/b\"\nmode = 660\n", 3, "\"mode\" must be a string"),
        ("[[listen]]\npath = \"/b\"\nsocket-mode = \"0600\"\n", 3, "is not a setting here"),
        ("[[listen]]\npath = \"/b\"\ngroup = \"\"\n", 3, "is empty"),
        ("listen = \"/b\"\n", 1, "must be written as [[listen]]"),
        ("[listen]\npath = \"/b\"\n", 1, "must be written as [[listen]]"),
        ("[[listen]]\npath = \"/b\"\n[[listen]]\npath = \"/b\"\n", 4, "is used by another socket: /b"),
        ("[[listen]]\npath = \"/a/b\"\n[[listen]]\npath = \"/a//./b\"\n", 4, "is used by another socket: /a/b"),
        ("socket = \"/b\"\n[[listen]]\npath = \"/b\"\n", 3, "is used by another socket: /b"),
        ("[[listen]]\npath = \"/b\"\n[[listen]]\npath = \"/b.lock\"\n", 4, "is used by another socket: /b"),
        ("socket-mode = \"0600\"\n[[listen]]\npath = \"/b\"\n", 1, "belongs to \"socket\", which is not set"),
        ("socket-group = \"web\"\n[[listen]]\npath = \"/b\"\n", 1, "belongs to \"socket\", which is not set"),
        ((0..<17).map { "[[listen]]\npath = \"/b\($0)\"\n" }.joined(), 33, "more than 16"),
    ])
    func aFaultHasItsLine(_ text: String, _ line: Int, _ words: String) {
        let error = #expect(throws: ConfigurationError.self, "\(text)") { try listeners(text) }
        #expect(error?.line == line && error?.message.contains(words) == true, "\(String(describing: error))")
    }

    /// The longest path that is accepted is one that can be made: its name is longer until the socket is ready.
    @Test func aSocketOfTheLongestPathIsMade() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/listen-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/" + String(repeating: "x", count: 102 - folder.utf8.count)
        let sockets = try ListeningSockets(try listeners("socket = \"\(path)\"\n"))
        defer { sockets.release() }
        for opened in try sockets.open(groups: [:], backlog: 16) { close(opened.descriptor) }
        #expect(path.utf8.count == 103 && status(path)?.mode == 0o660)
    }

    // MARK: The daemon

    @Test func everySocketServesWithItsModeAndTheSameRules() async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/listen-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let agent = try AgentFixture(
            grants: AgentFixture.everything,
            settings:
                "[[listen]]\npath = \"\(folder)/jail/b.sock\"\nmode = \"0600\"\n[[listen]]\npath = \"\(folder)/open/c.sock\"\nmode = \"0666\"\n"
        )
        defer { agent.end() }
        let client = try await agent.client()
        let key = try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256)
        for (path, mode) in [(agent.socket, 0o660), ("\(folder)/jail/b.sock", 0o600), ("\(folder)/open/c.sock", 0o666)] {
            #expect(status(path)?.mode == mode_t(mode), "\(path)")
            let other = try await AgentClient.connect(socket: path)
            #expect(try await other.keys() == [key])
            await other.close()
        }
        // A missing folder is made: for everybody only if the socket is.
        #expect(status("\(folder)/jail")?.mode == 0o750 && status("\(folder)/open")?.mode == 0o755)
    }

    @Test func connectionsCountOverAllSockets() async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/listen-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let second = "\(folder)/b.sock"
        let agent = try AgentFixture(
            grants: AgentFixture.everything, settings: "connections-per-user = 2\n[[listen]]\npath = \"\(second)\"\n")
        defer { agent.end() }
        let first = try await agent.client()
        _ = try await first.status()
        let other = try await AgentClient.connect(socket: second)
        _ = try await other.status()
        #expect(await !answers(second))
        #expect(await !answers(agent.socket))
        await first.close()
        for _ in 0..<200 where await !answers(second) { try await Task.sleep(for: .milliseconds(10)) }
        #expect(await answers(second))
        await other.close()
    }

    @Test func aReloadOpensNewSocketsAndRemovesOthers() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let first = try await agent.client()
        let (b, c) = (agent.folder + "/b.sock", agent.folder + "/c.sock")
        let before = status(agent.socket)
        try agent.write(grants: AgentFixture.everything, settings: listen(agent, "b.sock") + listen(agent, "c.sock", "mode = \"0666\""))
        try await agent.reload()
        #expect(try await first.status().configuration?.reloadError == nil)
        #expect(status(b)?.mode == 0o660 && status(c)?.mode == 0o666)
        let connection = try await AgentClient.connect(socket: b)
        _ = try await connection.status()
        #expect(await answers(c))
        // The mode of one that stays is changed, the other is removed.
        try agent.write(grants: AgentFixture.everything, settings: listen(agent, "c.sock", "mode = \"0600\""))
        try await agent.reload()
        #expect(status(b) == nil && status(c)?.mode == 0o600)
        #expect(await !answers(b))
        #expect(await answers(c))
        // No connection was closed, and the first socket was not touched.
        _ = try await connection.status()
        _ = try await first.status()
        #expect(status(agent.socket)?.inode == before?.inode)
        // Another daemon may have the path now.
        try SocketPath(b, mode: 0o660).release()
        // And again.
        try agent.write(grants: AgentFixture.everything, settings: listen(agent, "b.sock"))
        try await agent.reload()
        #expect(await answers(b))
        #expect(status(c) == nil)
        await connection.close()
    }

    /// Nothing of a configuration with a socket that cannot be opened takes effect.
    @Test func aReloadWithASocketThatCannotBeOpenedIsRefusedAsAWhole() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        try FileManager.default.createDirectory(atPath: agent.folder + "/open", withIntermediateDirectories: false)
        chmod(agent.folder + "/open", 0o777)
        try "".write(toFile: agent.folder + "/file", atomically: false, encoding: .utf8)
        for (bad, words) in [("open/c.sock", "can be written by users other"), ("file", "exists and is not a socket")] {
            try agent.write(
                grants: AgentFixture.everything.replacingOccurrences(of: "\"all\"", with: "\"new\""),
                settings: listen(agent, "b.sock") + listen(agent, bad))
            try await agent.reload()
            let now = try await client.status()
            #expect(now.grants.map(\.name) == ["all"])
            let error = try #require(now.configuration?.reloadError)
            #expect(error.contains(words) && error.contains("acme-agentd.toml:"), "\(error)")
            #expect(status(agent.folder + "/b.sock") == nil)
            try SocketPath(agent.folder + "/b.sock", mode: 0o660).release()
        }
        #expect(await answers(agent.socket))
        #expect(agent.trail.filter { $0.contains(#""operation":"reload""#) && $0.contains("refused") }.count == 2)
    }

    @Test func withoutItsGroupOneSocketIsItsOwnersAlone() async throws {
        let system = FakeSystem()
        let folder = FileManager.default.temporaryDirectory.path + "/listen-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let agent = try AgentFixture(
            grants: AgentFixture.everything, settings: "[[listen]]\npath = \"\(folder)/b.sock\"\ngroup = \"callers\"\n", desk: system.desk)
        defer { agent.end() }
        let client = try await agent.client()
        let entries = try await client.status().configuration?.entries
        #expect(entries?.map(\.entry) == ["the group of the socket \(folder)/b.sock"])
        #expect(entries?.first?.message.hasPrefix("\"group\" ") == true)
        #expect(entries?.first?.line == 5)
        #expect(status(folder + "/b.sock")?.mode == 0o600)
        #expect(status(agent.socket)?.mode == 0o660)
        system.set(.group("callers"), .number(getegid()))
        for _ in 0..<800 where status(folder + "/b.sock")?.mode != 0o660 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(status(folder + "/b.sock")?.mode == 0o660)
    }

    /// Changes of groups, which may be refused as to a daemon that is not in the group.
    private final class Groups: Sendable {
        let given = Mutex<[UInt32]>([])
        let refuses = Mutex(false)

        var change: SocketPath.ChangeGroup {
            { [self] path, group in
                if refuses.withLock({ $0 }) {
                    errno = EPERM
                    return -1
                }
                given.withLock { $0.append(group) }
                return 0
            }
        }
    }

    private func wait(_ condition: () async throws -> Bool) async throws {
        for _ in 0..<800 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("it did not happen within 8 seconds")
    }

    /// Nobody keeps an access that a reload takes away, `status` says so, and the agent tries again by itself.
    @Test(arguments: ["", "group = \"4710\"\n"])
    func aSocketThatCannotBeGivenToItsGroupIsItsOwnersAlone(_ former: String) async throws {
        let groups = Groups()
        let agent = try AgentFixture(grants: AgentFixture.everything, changeGroup: groups.change)
        defer { agent.end() }
        let client = try await agent.client()
        let path = agent.folder + "/b.sock"
        try agent.write(grants: AgentFixture.everything, settings: listen(agent, "b.sock", "mode = \"0666\"\n" + former))
        try await agent.reload()
        #expect(status(path)?.mode == 0o666)
        groups.refuses.withLock { $0 = true }
        try agent.write(
            grants: AgentFixture.everything, settings: listen(agent, "b.sock", "mode = \"0660\"\ngroup = \"4711\"\n"))
        for _ in 0..<2 {
            try await agent.reload()
            #expect(status(path)?.mode == 0o600)
            let configuration = try #require(try await client.status().configuration)
            #expect(configuration.reloadError == nil && configuration.off == 1)
            let entry = try #require(configuration.entries.first)
            #expect(entry.entry == "the group of the socket \(path)" && entry.line == 6)
            #expect(entry.message.contains("cannot be given to the group 4711") && entry.message.contains("SupplementaryGroups="))
        }
        #expect(!groups.given.withLock { $0.contains(4_711) })
        groups.refuses.withLock { $0 = false }
        try await wait { try await client.status().configuration?.off == 0 }
        #expect(status(path)?.mode == 0o660)
        #expect(groups.given.withLock { $0.last } == 4_711)
    }

    /// The same name may mean another group at the next reload, or none.
    @Test func aReloadFollowsTheNumberOfAGroup() async throws {
        let system = FakeSystem(), groups = Groups()
        system.set(.group("callers"), .number(4_710))
        let agent = try AgentFixture(grants: AgentFixture.everything, desk: system.desk, changeGroup: groups.change)
        defer { agent.end() }
        let client = try await agent.client()
        let path = agent.folder + "/b.sock"
        try agent.write(grants: AgentFixture.everything, settings: listen(agent, "b.sock", "group = \"callers\"\n"))
        try await agent.reload()
        #expect(status(path)?.mode == 0o660)
        #expect(groups.given.withLock { $0 } == [4_710])
        system.set(.group("callers"), .number(4_711))
        try await agent.reload()
        #expect(status(path)?.mode == 0o660)
        #expect(groups.given.withLock { $0 } == [4_710, 4_711])
        system.set(.group("callers"), nil)
        try await agent.reload()
        #expect(status(path)?.mode == 0o600)
        #expect(try await client.status().configuration?.off == 1)
        system.set(.group("callers"), .number(4_712))
        try await wait { status(path)?.mode == 0o660 }
        #expect(groups.given.withLock { $0 } == [4_710, 4_711, 4_712])
    }

    /// Whether this process has the socket open, under the name with which it was made.
    private func isOpen(_ path: String) throws -> Bool {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { CInt($0) }.contains { descriptor in
            var address = sockaddr_un()
            var length = socklen_t(MemoryLayout<sockaddr_un>.size)
            let named = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
            }
            guard named == 0, address.sun_family == sa_family_t(AF_UNIX) else { return false }
            return withUnsafeBytes(of: address.sun_path) { Array($0.prefix { $0 != 0 }) } == Array((path + ".new").utf8)
        }
    }

    @Test func aSocketIsClosedHoweverItsPathWasWritten() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        let path = agent.folder + "/b.sock"
        for spelling in ["b.sock", "/./b.sock"] {
            try agent.write(grants: AgentFixture.everything, settings: listen(agent, spelling))
            try await agent.reload()
            #expect(try await client.status().configuration?.reloadError == nil)
            #expect(try isOpen(path) && status(path) != nil)
        }
        try agent.write(grants: AgentFixture.everything)
        try await agent.reload()
        try await wait { try !isOpen(path) }
        #expect(status(path) == nil)
    }

    // MARK: Sockets of systemd's

    /// A listening socket, as systemd makes it.
    private static func bound(_ path: String, type: Int32 = Int32(SOCK_STREAM.rawValue), isListening: Bool = true) throws -> CInt {
        let descriptor = socket(AF_UNIX, type, 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        try #require(result == 0)
        if isListening { try #require(Glibc.listen(descriptor, 16) == 0) }
        return descriptor
    }

    @Test func passedSocketsAreMatchedByPathAndStayAtTheEnd() async throws {
        let agent = try AgentFixture(
            grants: AgentFixture.everything, settings: "",
            passed: { folder in
                let descriptor = try ListenTests.bound(folder + "/agent.sock")
                return try PassedSockets(first: descriptor, count: 1)
            })
        let path = agent.socket
        let before = status(path)
        let client = try await agent.client()
        // One more, of the daemon's own.
        try agent.write(grants: AgentFixture.everything, settings: listen(agent, "b.sock"))
        try await agent.reload()
        #expect(try await client.status().configuration?.reloadError == nil)
        #expect(await answers(path))
        #expect(await answers(agent.folder + "/b.sock"))
        #expect(status(path)?.inode == before?.inode && status(path)?.mode == before?.mode)
        #expect(status(path + ".lock") == nil)
        // A reload cannot give it back to systemd.
        let file = agent.folder + "/acme-agentd.toml"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try text.replacingOccurrences(of: "socket = \"\(path)\"\n", with: "").write(toFile: file, atomically: false, encoding: .utf8)
        try await agent.reload()
        let error = try #require(try await client.status().configuration?.reloadError)
        #expect(error.contains("which systemd passed, cannot be removed by a reload") && error.contains("restart"), "\(error)")
        #expect(await answers(path))
        // At the end it is systemd's again: it is not removed.
        var left: (mode: mode_t, inode: ino_t)?
        try text.write(toFile: file, atomically: false, encoding: .utf8)
        agent.end { left = self.status(path) }
        #expect(left?.inode == before?.inode)
    }

    @Test func aPassedSocketThatNoSettingNamesIsRefused() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/listen-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let descriptor = try Self.bound(folder + "/other.sock")
        defer { close(descriptor) }
        let settings = try listeners("socket = \"\(folder)/agent.sock\"\n")
        let error = #expect(throws: ListenError.self) {
            try ListeningSockets(settings, passed: PassedSockets(first: descriptor, count: 1))
        }
        #expect(error?.description == "systemd passed the socket \(folder)/other.sock, which the configuration does not name")
        #expect(error?.hint != nil)
        // The path was not taken.
        try SocketPath(folder + "/agent.sock", mode: 0o660).release()
        // A folder in which others can replace it.
        chmod(folder, 0o777)
        #expect(throws: (any Error).self) {
            try ListeningSockets(
                try listeners("socket = \"\(folder)/other.sock\"\n"), passed: PassedSockets(first: descriptor, count: 1))
        }
    }

    /// Clients trust root, themselves and the owner of the folder, and systemd makes folders as root.
    @Test func theFolderOfAPassedSocketMustBeTheDaemonsOwn() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/listen-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let descriptor = try Self.bound(folder + "/agent.sock")
        defer { close(descriptor) }
        let settings = try listeners("socket = \"\(folder)/agent.sock\"\n")
        let passed = try PassedSockets(first: descriptor, count: 1)
        let error = #expect(throws: ListenError.self) { try ListeningSockets(settings, passed: passed, user: 4_711) }
        #expect(error?.description.contains("belongs to uid \(geteuid()) and not to the daemon's user (uid 4711)") == true)
        #expect(error?.hint?.hasPrefix("chown 4711 \(folder), and ") == true)
        try ListeningSockets(settings, passed: passed).release()
    }

    /// A daemon that systemd passed its socket holds no lock, but an earlier one may have left its file.
    @Test func aLeftoverLockDoesNotHideADaemonThatListens() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/listen-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/agent.sock"
        let descriptor = try Self.bound(path)
        try "".write(toFile: path + ".lock", atomically: false, encoding: .utf8)
        for _ in 0..<2 {
            let error = #expect(throws: ListenError.self) { try SocketPath.lockIfThere(path) }
            #expect(error?.description == "another acme-agentd listens on \(path)")
            #expect(error?.hint?.contains("and its socket unit") == true)
        }
        close(descriptor)
        let lock = try #require(try SocketPath.lockIfThere(path))
        lock.release()
    }

    @Test func whatSystemdMayNotPassIsRefused() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/listen-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let descriptors = [
            try Self.bound(folder + "/a", isListening: false),
            try Self.bound(folder + "/b", type: Int32(SOCK_DGRAM.rawValue), isListening: false),
            open("/dev/null", O_RDONLY), socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), -1,
        ]
        defer { for descriptor in descriptors where descriptor >= 0 { close(descriptor) } }
        for descriptor in descriptors {
            #expect(throws: ListenError.self, "\(descriptor)") { try PassedSockets(first: descriptor, count: 1) }
        }
    }

    @Test func theEnvironmentSaysWhetherSocketsWerePassed() throws {
        let own = String(getpid())
        for environment in [[:], ["LISTEN_FDS": "2"], ["LISTEN_FDS": "2", "LISTEN_PID": "1"], ["LISTEN_FDS": "0", "LISTEN_PID": own]] {
            #expect(try PassedSockets.fromEnvironment { environment[$0] }.descriptors.isEmpty)
        }
        for text in ["x", "-1", "1000", ""] {
            let environment = ["LISTEN_FDS": text, "LISTEN_PID": own]
            #expect(throws: ListenError.self, "\(text)") { try PassedSockets.fromEnvironment { environment[$0] } }
        }
    }
}
