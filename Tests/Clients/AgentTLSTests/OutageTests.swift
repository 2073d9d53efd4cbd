import AgentClient
import AgentInterface
import Crypto
import Foundation
import JOSE
import KeyNameLiterals
import NIOCore
import NIOPosix
import NIOSSL
import ProcessWaiting
import Testing

@testable import AgentTLS

/// Agents that are absent, restarted, slow or hostile.
@Suite struct OutageTests {
    @Test func aRestartOfTheDaemonCostsNoHandshake() async throws {
        let agent = try await TestAgent()
        let server = try await TestServer(folder: agent.issue("www"), deadline: .seconds(20))
        let client = try TestClient(trusting: agent.authority)
        #expect(try await client.greet(port: server.port).text == "hello\n")
        agent.stop()
        try await agent.start()
        #expect(try await client.greet(port: server.port).text == "hello\n")
        // Some handshakes begin while the daemon is away.
        agent.stop()
        try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<10 { group.addTask { try await client.greet(port: server.port).text } }
            try await Task.sleep(for: .milliseconds(300))
            try await agent.start()
            for try await text in group { #expect(text == "hello\n") }
        }
        try await server.close()
        #expect(server.failures.isEmpty, "\(server.failures)")
    }

    @Test func anAbsentDaemonIsNamedWithinTheDeadline() async throws {
        let agent = try await TestAgent()
        let server = try await TestServer(folder: agent.issue("www"), deadline: .seconds(1))
        agent.stop()
        let client = try TestClient(trusting: agent.authority)
        let taken = await ContinuousClock().measure {
            await #expect(throws: (any Error).self) { try await client.greet(port: server.port) }
        }
        #expect(taken >= .milliseconds(900) && taken < .seconds(4), "\(taken)")
        let failure = try #require(server.failures.first)
        #expect(failure.reason == .unreachable && failure.hint == "is acme-agentd running there?", "\(failure)")
        try await agent.start()
        #expect(try await client.greet(port: server.port).text == "hello\n")
        try await server.close()
    }

    /// One event loop for everything: it serves others while a handshake waits.
    @Test func anAgentThatHangsHoldsUpNothingElse() async throws {
        let agent = try await TestAgent()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try await TestServer(folder: agent.issue("www"), deadline: .seconds(1), on: group)
        let client = try TestClient(trusting: agent.authority)
        #expect(try await client.greet(port: server.port).text == "hello\n")
        agent.hold()
        let ticker = Task {
            let clock = ContinuousClock()
            var longest = Duration.zero
            while !Task.isCancelled {
                longest = max(longest, try await clock.measure { try await group.next().submit {}.get() })
                try? await Task.sleep(for: .milliseconds(5))
            }
            return longest
        }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for _ in 0..<20 {
                tasks.addTask { await #expect(throws: (any Error).self) { try await client.greet(port: server.port) } }
            }
            try await tasks.waitForAll()
        }
        ticker.cancel()
        #expect(try await ticker.value < .milliseconds(500))
        #expect(server.failures.count == 20 && server.failures.allSatisfy { $0.reason == .deadline }, "\(server.failures)")
        agent.resume()
        #expect(try await client.greet(port: server.port).text == "hello\n")
        try await server.close()
        try await group.shutdownGracefully()
    }

    private static let content =
        [UInt8](repeating: 0x20, count: 64) + Array("TLS 1.3, server CertificateVerify".utf8) + [UInt8](repeating: 0, count: 33)

    /// The agents of the OpenSSL provider's test. What they answer to an Ed25519 key's call, and how that fails.
    @Test(arguments: [
        ("garbage", AgentTLSError.Reason.malformed), ("empty", .malformed), ("huge", .malformed), ("deep", .malformed),
        ("number", .malformed),
        ("list", .malformed), ("no-signature", .malformed), ("nothing", .malformed), ("open-string", .malformed),
        ("half-escape", .malformed),
        ("padded", .malformed), ("stray-bits", .malformed), ("short", .malformed), ("long", .malformed), ("cut", .malformed),
        ("error-number", .malformed), ("error-unknown", .malformed), ("error-binary", .malformed), ("unread", .malformed),
        ("close-at-once", .unreachable), ("retired", .refused), ("refused", .refused), ("overloaded", .refused), ("token-off", .refused),
        ("old", .refused), ("slow", .deadline), ("silent", .deadline),
    ])
    func aHostileAgentFailsTheHandshakeAndNothingElse(mode: String, reason: AgentTLSError.Reason) async throws {
        let agent = try HostileAgent(mode)
        try await agent.ready()
        let failures = Failures()
        // The two that are tried until then.
        let deadline: Duration =
            switch reason {
            case .deadline: .milliseconds(700)
            case .unreachable: .seconds(2)
            default: .seconds(5)
            }
        let signer = AgentSigner(socket: agent.socket, deadline: deadline, onFailure: failures.add)
        let pem = KeyFile.encode(name: "www", socket: nil, spki: PublicKey.ed25519([UInt8](repeating: 1, count: 32)).spki)
        let key = try AgentPrivateKey(pem: pem, signer: signer)
        let clock = ContinuousClock()
        for _ in 0..<5 {
            let start = clock.now
            let failure = await #expect(throws: AgentTLSError.self) {
                try await signer.signature(key, content: Self.content, scheme: "ed25519")
            }
            // A connection may live until the call is sent.
            let isExpected = failure?.reason == reason || (mode == "close-at-once" && failure?.reason == .malformed)
            #expect(isExpected, "\(mode): \(failure.map { "\($0)" } ?? "none")")
            #expect(failure?.hint != nil || reason == .refused)
            #expect(failure?.description.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) } == true)
            #expect(clock.now - start < .seconds(6))
        }
        #expect(failures.all.count == 5)
    }

    /// They wait for the same attempts to connect, each until its own deadline.
    @Test func eachHandshakeOfAnOutageFailsAtItsOwnDeadline() async throws {
        let deadline = Duration.seconds(4)
        let signer = AgentSigner(socket: "/nonexistent/agent.sock", deadline: deadline)
        let pem = KeyFile.encode(name: "www", socket: nil, spki: PublicKey.ed25519([UInt8](repeating: 1, count: 32)).spki)
        let key = try AgentPrivateKey(pem: pem, signer: signer)
        let times = await withTaskGroup(of: Duration.self) { group in
            for _ in 0..<80 {
                group.addTask {
                    await ContinuousClock().measure { _ = try? await signer.signature(key, content: Self.content, scheme: "ed25519") }
                }
                try? await Task.sleep(for: .milliseconds(50))
            }
            return await group.reduce(into: [Duration]()) { $0.append($1) }
        }
        #expect(times.allSatisfy { $0 > .seconds(3) && $0 < deadline + .seconds(2) }, "\(times.max().map { "\($0)" } ?? "")")
    }

    /// What waits costs memory, so it has a limit.
    @Test func moreHandshakesThanMayWaitFailAtOnce() async throws {
        let agent = try HostileAgent("silent")
        try await agent.ready()
        let signer = AgentSigner(socket: agent.socket, deadline: .seconds(5))
        let pem = KeyFile.encode(name: "www", socket: nil, spki: PublicKey.ed25519([UInt8](repeating: 1, count: 32)).spki)
        let key = try AgentPrivateKey(pem: pem, signer: signer)
        let reasons = await withTaskGroup(of: AgentTLSError.Reason?.self) { group in
            for _ in 0..<(AgentConnections.waitingMaximum + 10) {
                group.addTask {
                    do throws(AgentTLSError) { _ = try await signer.signature(key, content: Self.content, scheme: "ed25519") } catch {
                        return error.reason
                    }
                    return nil
                }
            }
            return await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        // On a slow machine the first may have ended before the last begin.
        let refused = reasons[.busy, default: 0]
        #expect((1...10).contains(refused) && reasons[.deadline] == AgentConnections.waitingMaximum + 10 - refused, "\(reasons)")
    }

    @Test func wordsOfTheAgentAreSafeForALog() {
        let error = AgentError.refused(reason: "x", message: "\u{1B}[31m\nno\u{9B}1m", hint: "a\rb\u{202E}c")
        let failure = AgentTLSError(error, socket: "/s")
        #expect(failure.reason == .refused && failure.message.hasPrefix("the agent did not sign: "))
        #expect(
            failure.description.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) && $0.value != 0x202E })
    }

    /// A signature that signs nothing is not for the server to find: its client does.
    @Test func aWrongSignatureIsTheClientsToReject() async throws {
        let hostile = try HostileAgent("good")
        try await hostile.ready()
        let folder = hostile.folder + "/www"
        let spki = PublicKey.ed25519(Array(Curve25519.Signing.PrivateKey().publicKey.rawRepresentation)).spki
        let authority = TestAuthority()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        try authority.chain(for: spki).write(toFile: folder + "/fullchain.pem", atomically: false, encoding: .utf8)
        try Data(KeyFile.encode(name: "www", socket: hostile.socket, spki: spki)).write(to: URL(fileURLWithPath: folder + "/key.pem"))
        let server = try await TestServer(folder: folder)
        await #expect(throws: (any Error).self) { try await TestClient(trusting: authority).greet(port: server.port) }
        try await server.close()
        #expect(server.failures.isEmpty)
    }

    @Test func whatIsNoSocketIsNamedAtOnce() async throws {
        let failures = Failures()
        let signer = AgentSigner(socket: "/proc/self/status", deadline: .seconds(20), onFailure: failures.add)
        let pem = KeyFile.encode(name: "www", socket: nil, spki: PublicKey.ed25519([UInt8](repeating: 1, count: 32)).spki)
        let key = try AgentPrivateKey(pem: pem, signer: signer)
        let failure = await #expect(throws: AgentTLSError.self) {
            try await signer.signature(key, content: Self.content, scheme: "ed25519")
        }
        #expect(failure?.reason == .unreachable && failure?.message.contains("not a socket") == true, "\(failure.map { "\($0)" } ?? "")")
    }
}

/// Tests/Clients/OpenSSLProviderTests/hostile-agent in one of its modes.
final class HostileAgent: Sendable {
    let folder: String
    private let process: Process
    var socket: String { folder + "/s" }

    init(_ mode: String) throws {
        folder = FileManager.default.temporaryDirectory.path + "/hostile-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        process = Process()
        process.executableURL = URL(fileURLWithPath: TestAgent.root + "/Tests/Clients/OpenSSLProviderTests/hostile-agent")
        process.arguments = [folder + "/s", mode]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    func ready() async throws {
        for _ in 0..<500 where !FileManager.default.fileExists(atPath: socket) { try await Task.sleep(for: .milliseconds(20)) }
    }

    deinit {
        // It may have inherited a mask that blocks SIGTERM.
        kill(process.processIdentifier, SIGKILL)
        process.waitAsleep()
        try? FileManager.default.removeItem(atPath: folder)
    }
}
