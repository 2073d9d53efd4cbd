import ACME
import Foundation
import KeyNameLiterals
import NIOCore
import SilentServer
import Synchronization
import Testing
import Varlink

@testable import AgentClient

/// A client whose agent is missing, belongs to another user, or does not answer. AgentServiceTests has the answers.
@Suite final class AgentClientTests {
    private let folder: String

    init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/client-\(UUID().uuidString.prefix(13))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    private var socket: String { folder + "/agent.sock" }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    @Test func aSilentAgentIsWaitedForAndThenLeft() async throws {
        let server = try SilentServer(path: socket)
        defer { server.close() }
        let given = Atomic<Int>(0)
        let patience = AgentClient.Patience(
            signature: .milliseconds(500), answer: .milliseconds(400), notice: .milliseconds(50))
        /// How many notices a call had before it was given up; -1 if it was not.
        func notices(_ body: (AgentClient) async throws -> Void) async throws -> Int {
            let agent = try await AgentClient.connect(socket: socket, patience: patience) { given.add(1, ordering: .relaxed) }
            let before = given.load(ordering: .relaxed)
            do { try await body(agent) } catch VarlinkConnectionError.timedOut {
                await agent.close()
                return given.load(ordering: .relaxed) - before
            }
            return -1
        }
        #expect(try await notices { _ = try await $0.status() } >= 1)
        #expect(try await notices { _ = try await $0.keys() } >= 1)
        #expect(try await notices { _ = try await $0.key(named: "web") } >= 1)
        #expect(try await notices { _ = try await $0.retireKey(named: "web") } >= 1)
        #expect(try await notices { try await $0.deleteKey(named: "web") } >= 1)
        #expect(try await notices { for try await _ in $0.audit(last: 1, follow: false) {} } >= 1)
        // A signature may take long: the user gets no notice of it.
        let signing = [
            try await notices { _ = try await $0.handshake(key: "web", content: [1], scheme: "ed25519") },
            try await notices { _ = try await $0.clientHandshake(key: "web", content: [1], scheme: "ed25519") },
            try await notices { _ = try await $0.serverKeyExchange(key: "web", content: [1], scheme: "rsa_pkcs1_sha256") },
        ]
        #expect(signing == [0, 0, 0])
    }

    /// A task that has just woken no longer notices that it is cancelled: "waiting for the agent" after its answer.
    @Test func noNoticeComesAfterTheAnswer() async throws {
        let late = Atomic<Int>(0)
        for round in 0..<2_000 {
            let isAnswered = Atomic<Bool>(false)
            let notice: @Sendable () -> Void = {
                if isAnswered.load(ordering: .sequentiallyConsistent) { late.add(1, ordering: .sequentiallyConsistent) }
            }
            // Both wake at nearly the same time.
            try await AgentClient.noticing(notice, after: .microseconds(80 + round % 40)) { try await Task.sleep(for: .microseconds(100)) }
            isAnswered.store(true, ordering: .sequentiallyConsistent)
        }
        try await Task.sleep(for: .milliseconds(50))
        #expect(late.load(ordering: .sequentiallyConsistent) == 0)
    }

    /// As after the agent's restart: the next call goes to the new one.
    @Test func aConnectionThatTheAgentHasClosedIsReplaced() async throws {
        let server = try SilentServer(path: socket)
        let patience = AgentClient.Patience(signature: .milliseconds(400), answer: .milliseconds(400))
        let agent = try await AgentClient.connect(socket: socket, patience: patience)
        let kept = try await AgentClient.connect(socket: socket, patience: patience, reconnects: false)
        server.close()
        for _ in 0..<3_000 where agent.isOpen || kept.isOpen { try await Task.sleep(for: .milliseconds(10)) }
        #expect(!agent.isOpen && !kept.isOpen)
        await #expect(throws: AgentConnectionError.self) { try await agent.status() }
        try FileManager.default.removeItem(atPath: socket)
        let next = try SilentServer(path: socket)
        defer { next.close() }
        /// What a call on it fails with; the new server takes the call and does not answer.
        func failure(_ agent: AgentClient) async -> String {
            do { return "\(try await agent.status())" } catch { return "\(error)" }
        }
        #expect(await failure(agent) == VarlinkConnectionError.timedOut.description)
        #expect(agent.isOpen)
        #expect(await failure(kept) == VarlinkConnectionError.closed.description)
        // Closed by its user: for good.
        await agent.close()
        #expect(await failure(agent) == VarlinkConnectionError.closed.description)
    }

    @Test func usersWaitSecondsAndSignaturesMinutes() {
        let patience = AgentClient.Patience()
        #expect(patience.notice < patience.answer && patience.answer == .seconds(15) && patience.signature == .seconds(150))
    }

    @Test func anAgentThatIsNotThereIsExplained() async throws {
        await #expect { _ = try await AgentClient.connect(socket: socket) } throws: { error in
            guard let error = error as? AgentConnectionError else { return false }
            return error.description == "the agent's socket \(socket) does not exist" && error.hint?.contains("acme-agentd") == true
        }
        let server = try SilentServer(path: socket)
        server.close()
        await #expect { _ = try await AgentClient.connect(socket: socket) } throws: {
            ($0 as? AgentConnectionError)?.description.hasSuffix("has no listener") == true
        }
        let long = "/" + String(repeating: "x", count: 108)
        await #expect { _ = try await AgentClient.connect(socket: long) } throws: {
            ($0 as? AgentConnectionError)?.hint?.contains("108 bytes") == true
        }
    }

    @Test(arguments: [("/etc/passwd", "is a regular file, not a socket"), ("/etc", "is a folder, not a socket")])
    func whatIsNoSocketIsCalledByItsName(path: String, message: String) async {
        await #expect { _ = try await AgentClient.connect(socket: path) } throws: { error in
            guard let error = error as? AgentConnectionError else { return false }
            return error.description == "the agent's socket \(path) \(message)" && error.hint?.contains("--socket") == true
        }
    }

    @Test(arguments: [
        (UntrustedServer(uid: 7) as any Error, "is held by another user (uid 7), so it is not trusted"),
        (IOError(errnoCode: 13, reason: "connect"), "cannot be opened: permission denied"),
        (VarlinkConnectionError.unknownPeer, "accepted the connection and closed it at once"),
        (ChannelError.connectTimeout(.seconds(1)), "accepts no connections: its queue is full"),
    ]) func everyCauseHasAHint(cause: any Error, what: String) {
        let error = AgentConnectionError(socket: "/x", cause: cause)
        #expect(error.description == "the agent's socket /x \(what)")
        #expect(error.hint?.isEmpty == false)
    }

    @Test func theOwnerOfAFolderThatOthersMayWriteIsNotTrusted() {
        #expect(SocketOwner.trusted(socket) == [0, geteuid()])
        #expect(SocketOwner.trusted("agent.sock") == [0, geteuid()])
        if geteuid() == 0 {
            #expect(chown(folder, 4_711, 4_711) == 0)
            #expect(SocketOwner.trusted(socket) == [0, 4_711])
            #expect(chmod(folder, 0o770) == 0)
            #expect(SocketOwner.trusted(socket) == [0])
        }
    }
}
