import AgentClient
import DatagramSocket
import Foundation
import Glibc
import Logging
import NIOCore
import Synchronization
import Testing
import TokenProtocol

@testable import AgentService

/// What the daemon tells its service manager.
@Suite(.timeLimit(.minutes(2))) struct ServiceManagerTests {
    private static let fault = TokenFailure(.pinUnavailable, message: "the PIN file is \u{1B}[31mgone", hint: "restore it")
    /// What the daemon makes of it.
    private static let faultInOwnWords =
        "there is no PIN to log in with; its helper says: the PIN file is \u{FFFD}[31mgone; "
        + "the PIN file must hold the PIN alone on one line, and belong to root or to the agent's user with mode 0600"

    private func withSocket(_ body: (DatagramSocket) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory.path + "/notify-\(UUID().uuidString.prefix(8))"
        try await body(DatagramSocket(path: path))
    }

    private func fixture(
        _ socket: DatagramSocket, watchdog: TimeAmount? = nil, token: FakeToken = FakeToken(), logger: Logger? = nil
    ) throws -> AgentFixture {
        try AgentFixture(
            grants: AgentFixture.everything, token: token, manager: ServiceManager(socket: socket.path, watchdog: watchdog), logger: logger)
    }

    @Test func theEnvironmentSaysWhoListens() {
        func read(_ environment: [String: String]) -> ServiceManager { ServiceManager.fromEnvironment { environment[$0] } }
        let own = String(getpid())
        #expect(read([:]).socket == nil && read(["NOTIFY_SOCKET": ""]).socket == nil)
        #expect(read(["WATCHDOG_USEC": "1000000"]).watchdog == nil)
        let base = ["NOTIFY_SOCKET": "/run/x"]
        #expect(read(base).socket == "/run/x" && read(base).watchdog == nil)
        func watchdog(_ time: String, _ process: String? = nil) -> TimeAmount? {
            var environment = base.merging(["WATCHDOG_USEC": time]) { $1 }
            environment["WATCHDOG_PID"] = process
            return read(environment).watchdog
        }
        #expect(watchdog("30000000") == .seconds(30) && watchdog("30000000", own) == .seconds(30))
        #expect(watchdog("30000000", "1") == nil && watchdog("30000000", "") == nil && watchdog("30000000", "x") == nil)
        for text in ["0", "-1", "", "1s", "18446744073709551615", "9223372036854775807"] { #expect(watchdog(text) == nil, "\(text)") }
    }

    /// A manager that has gone, or does not read, holds nobody.
    @Test func aSocketWithoutRoomOrListenerIsNotWaitedFor() async throws {
        #expect(ServiceManager(socket: "/nowhere/at/all", watchdog: nil).notify("READY=1") == ENOENT)
        #expect(ServiceManager(socket: "relative", watchdog: nil).notify("READY=1") == EINVAL)
        #expect(ServiceManager(socket: "/" + String(repeating: "x", count: 200), watchdog: nil).notify("READY=1") == EINVAL)
        #expect(ServiceManager.none.notify("READY=1") == 0)
        try await withSocket { socket in
            let manager = ServiceManager(socket: socket.path, watchdog: nil)
            var sent = 0
            while sent < 100_000, manager.notify("WATCHDOG=1", waits: false) == 0 { sent += 1 }
            #expect(sent > 0 && manager.notify("WATCHDOG=1", waits: false) == EAGAIN)
            #expect(socket.received().count == sent)
            #expect(manager.notify("WATCHDOG=1", waits: false) == 0)
        }
    }

    @Test func readyMeansThatTheSocketAccepts() async throws {
        try await withSocket { socket in
            let agent = try fixture(socket)
            var before: [String] = []
            let ready = try await socket.next { message in
                before.append(message)
                return message == "READY=1"
            }
            let client = try? await AgentClient.connect(socket: agent.socket)
            #expect(ready != nil && client != nil)
            #expect(before == ["STATUS=ready: 1 token, 1 grant", "READY=1"])
            #expect(try await client?.status() != nil)
            await client?.close()
            agent.end()
            #expect(socket.received().map { String(decoding: $0, as: UTF8.self) } == ["STOPPING=1"])
        }
    }

    @Test func aReloadSaysWhenItBeganAndHowItEnded() async throws {
        func now() -> Int64 {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
        }
        try await withSocket { socket in
            let agent = try fixture(socket)
            defer { agent.end() }
            #expect(try await socket.next { $0 == "READY=1" } != nil)
            let earliest = now()
            try agent.write(grants: AgentFixture.everything, settings: "unknown = 1")
            try await agent.reload()
            let reloading = try #require(try await socket.next { $0.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") })
            let moment = try #require(Int64(reloading.dropFirst("RELOADING=1\nMONOTONIC_USEC=".count)))
            #expect((earliest...now()).contains(moment))
            let refused = try #require(try await socket.next())
            #expect(refused.hasPrefix("STATUS=the reload was refused: ") && refused.contains("unknown") && !refused.contains("\n"))
            #expect(try await socket.next() == "READY=1")
            try agent.write(
                grants: AgentFixture.everything + "\n" + AgentFixture.everything.replacingOccurrences(of: "\"all\"", with: "\"b\""))
            try await agent.reload()
            #expect(try await socket.next()?.hasPrefix("RELOADING=1\n") == true)
            #expect(try await socket.next() == "STATUS=ready: 1 token, 2 grants")
            #expect(try await socket.next() == "READY=1")
        }
    }

    @Test func theStatusFollowsTheToken() async throws {
        try await withSocket { socket in
            let token = FakeToken()
            token.fail(with: ServiceManagerTests.fault)
            let agent = try fixture(socket, token: token)
            defer { agent.end() }
            #expect(try await socket.next() == "STATUS=token fake unavailable: \(ServiceManagerTests.faultInOwnWords)")
            #expect(try await socket.next() == "READY=1")
            token.fail(with: nil)
            #expect(try await socket.next { $0.hasPrefix("STATUS=ready") } == "STATUS=ready: 1 token, 1 grant")
        }
    }

    @Test func theStatusFollowsTheTrail() async throws {
        try await withSocket { socket in
            let agent = try fixture(socket)
            defer { agent.end() }
            #expect(try await socket.next { $0 == "READY=1" } != nil)
            let client = try await agent.client()
            let trail = agent.folder + "/state/audit/audit.jsonl"
            #expect(rename(trail, trail + ".away") == 0)
            // Recorded, so the agent looks at the file.
            await #expect(throws: (any Error).self) { try await client.accountKey() }
            let status = try #require(try await socket.next { $0.hasPrefix("STATUS=") })
            #expect(status.hasPrefix("STATUS=nothing is signed: ") && status.contains("audit.jsonl"), "\(status)")
            #expect(rename(trail + ".away", trail) == 0)
            #expect(try await socket.next { $0.hasPrefix("STATUS=ready") } == "STATUS=ready: 1 token, 1 grant")
        }
    }

    @Test func theStatusNamesWhatIsOff() async throws {
        try await withSocket { socket in
            let system = FakeSystem()
            let grants = AgentFixture.everything
            let other = grants.replacingOccurrences(of: "[USER]", with: "[\"ldap-user\"]").replacingOccurrences(
                of: "\"all\"", with: "\"ldap\"")
            let agent = try AgentFixture(
                grants: grants + "\n" + other, desk: system.desk, manager: ServiceManager(socket: socket.path, watchdog: nil))
            defer { agent.end() }
            let first = try #require(try await socket.next { $0.hasPrefix("STATUS=") })
            #expect(first.hasPrefix("STATUS=ready: 1 token, ") && first.hasSuffix("; off: grant \"ldap\""), "\(first)")
            system.set(.user("ldap-user"), .number(4_711))
            #expect(try await socket.next { $0.hasPrefix("STATUS=ready") } == "STATUS=ready: 1 token, 2 grants")
        }
    }

    /// Holds whoever logs a message: here the event loop.
    private final class Barrier: Sendable {
        let isClosed = Mutex(true)
        let isReached = Mutex(false)
    }

    private struct HoldingHandler: LogHandler {
        let barrier: Barrier
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            guard event.message == "a token's next login will fail" else { return }
            barrier.isReached.withLock { $0 = true }
            while barrier.isClosed.withLock({ $0 }) { usleep(2_000) }
        }
    }

    /// A hang of the loop must look like one: nothing else may tell the manager that the daemon works.
    @Test func theLoopItselfPatsTheWatchdog() async throws {
        try await withSocket { socket in
            let barrier = Barrier()
            let token = FakeToken()
            let agent = try fixture(
                socket, watchdog: .milliseconds(400), token: token, logger: Logger(label: "test") { _ in HoldingHandler(barrier: barrier) })
            defer { agent.end() }
            // Before the daemon is told to end.
            defer { barrier.isClosed.withLock { $0 = false } }
            #expect(try await socket.next { $0 == "READY=1" } != nil)
            var last = ContinuousClock.now, pauses: [Duration] = []
            for _ in 0..<6 {
                #expect(try await socket.next { $0 == "WATCHDOG=1" } != nil)
                pauses.append(ContinuousClock.now - last)
                last = ContinuousClock.now
            }
            // At half of the time, and not much more often.
            #expect(pauses.min().map { $0 < .milliseconds(400) } == true, "\(pauses)")
            #expect(pauses.dropFirst().max().map { $0 > .milliseconds(100) } == true, "\(pauses)")
            token.faultPIN(with: ServiceManagerTests.fault)
            // The answer of the helper may come before the reload is over.
            async let reload: Void = agent.reload()
            for _ in 0..<1_000 where !barrier.isReached.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(5)) }
            try #require(barrier.isReached.withLock { $0 })
            _ = socket.received()
            try await Task.sleep(for: .milliseconds(1_200))
            #expect(!socket.received().contains(Array("WATCHDOG=1".utf8)))
            barrier.isClosed.withLock { $0 = false }
            let wanted = ["WATCHDOG=1", "STATUS=token fake: the next login will fail: \(ServiceManagerTests.faultInOwnWords)"]
            var seen: Set<String> = []
            for _ in 0..<10 where !seen.isSuperset(of: wanted) { seen.insert(try await socket.next() ?? "") }
            #expect(seen.isSuperset(of: wanted), "\(seen)")
            try await reload
        }
    }
}
