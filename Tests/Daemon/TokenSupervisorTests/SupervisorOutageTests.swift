import Foundation
import NIOCore
import Synchronization
import Testing
import TokenProtocol
import TokenTestSupport

@testable import TokenSupervisor

/// From the device's return to the next signature: within five seconds, with the daemon's limits.
@Suite("Supervisor: an outage does not outlive its cause", .timeLimit(.minutes(2)))
struct SupervisorOutageTests {
    private let fixture: HelperFixture
    private let launcher: SupervisorRecordingLauncher
    private let configuration: TokenConfiguration
    private let digest = [UInt8](repeating: 3, count: 32)

    init() throws {
        fixture = try HelperFixture()
        launcher = SupervisorRecordingLauncher(path: try HelperFixture.program())
        configuration = fixture.configuration(module: try fixture.faultModule(), pool: 2)
    }

    private func harness() async throws -> SupervisorHarness {
        try await SupervisorHarness(launcher, configuration: configuration, limits: SupervisorLimits())
    }

    private func milliseconds(since begin: ContinuousClock.Instant) -> Int64 {
        let time = (ContinuousClock.now - begin).components
        return time.seconds * 1_000 + time.attoseconds / 1_000_000_000_000_000
    }

    @Test("Away for 0.2 s while it signs: status says so, and it signs again within 5 s")
    func whileSigning() async throws {
        let harness = try await harness()
        try await harness.start()
        let states = SupervisorTexts()
        try await harness.on { supervisor in
            supervisor.onStateChange = { states.append($0.failure.map { _ in "away" } ?? ($0.isReady ? "ready" : "other")) }
        }
        let key = try await harness.future { $0.generate(label: "web", id: [1], algorithm: .p256) }
        try fixture.fault("away")
        #expect(try await harness.sign(digest, key.reference, within: .milliseconds(300)).failure != nil)
        try await harness.until { $0.state.failure != nil }
        try await Task.sleep(for: .milliseconds(200))
        fixture.endFault("away")
        let back = ContinuousClock.now
        while try await harness.sign(digest, key.reference).value == nil, milliseconds(since: back) < 20_000 {
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(milliseconds(since: back) < 5_000)
        #expect(states.all == ["away", "ready"])
        #expect(try await harness.on { $0.statistics.restarts } == 0)
        try await harness.stop()
    }

    @Test("Away for 0.2 s at the start: ready within 5 s")
    func atTheStart() async throws {
        try fixture.fault("away")
        let harness = try await harness()
        try await harness.start()
        #expect(try await harness.on { $0.state.failure?.kind } == .noToken)
        try await Task.sleep(for: .milliseconds(200))
        fixture.endFault("away")
        let back = ContinuousClock.now
        try await harness.until { $0.state.isReady }
        #expect(milliseconds(since: back) < 5_000)
        try await harness.stop()
    }

    @Test("Away for 0.2 s while keys are made, and nothing else: the next key is made within 5 s")
    func whileMakingKeys() async throws {
        let harness = try await harness()
        try await harness.start()
        // As the agent makes them: with another id the token is not searched, and is recovered only once nothing is
        // requested.
        let ids = [1, 2].map { [UInt8](repeating: $0, count: TokenLimits.uniqueID) }
        try fixture.fault("away")
        await #expect(throws: TokenFailure.self) { _ = try await harness.future { $0.generate(label: "a", id: ids[0], algorithm: .p256) } }
        try await harness.until { $0.state.failure != nil }
        try await Task.sleep(for: .milliseconds(200))
        fixture.endFault("away")
        let back = ContinuousClock.now
        while milliseconds(since: back) < 20_000 {
            if (try? await harness.future { $0.generate(label: "b", id: ids[1], algorithm: .p256) }) != nil { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(milliseconds(since: back) < 5_000)
        try await harness.stop()
    }

    @Test("C_Login with an answer that says nothing about the PIN: ready within 5 s, without a person", arguments: ["5", "6", "30"])
    func loginThatFails(_ returnValue: String) async throws {
        try fixture.fault("C_Login", "\(returnValue) 1")
        let harness = try await harness()
        try await harness.start()
        #expect(try await harness.on { $0.state.failure?.kind } == .device)
        let begin = ContinuousClock.now
        try await harness.until { $0.state.isReady }
        #expect(milliseconds(since: begin) < 5_000)
        #expect(fixture.calls("C_Login") == 2)
        #expect(fixture.pinMemory == nil)
        try await harness.stop()
    }

    @Test("A helper that dies in C_Login: the next one logs in")
    func deathInLogin() async throws {
        try fixture.fault("login-held")
        let harness = try await harness()
        async let started: Void = harness.start()
        for _ in 0..<1_000 where fixture.calls("C_Login") == 0 { try await Task.sleep(for: .milliseconds(5)) }
        launcher.signal(SIGKILL)
        fixture.endFault("login-held")
        try await started
        try await harness.until { $0.state.isReady }
        #expect(fixture.calls("C_Login") == 2)
        #expect(fixture.pinMemory == nil)
        try await harness.stop()
    }

    @Test("A helper that has grown is replaced, and no request fails")
    func grown() async throws {
        var configuration = configuration
        configuration.helperMebibytes = 64
        let harness = try await SupervisorHarness(launcher, configuration: configuration, limits: SupervisorLimits())
        try await harness.start()
        func make(_ number: UInt8) async throws -> TokenKey {
            let id = [UInt8](repeating: number, count: TokenLimits.uniqueID)
            return try await harness.future { $0.generate(label: "web-\(number)", id: id, algorithm: .p256, user: 1) }
        }
        let key = try await make(0)
        // 16 MiB for each key: a helper makes three or four.
        try fixture.fault("leak", "1000000")
        let digest = digest
        let signing = Task {
            var failures: [TokenFailure] = []
            while !Task.isCancelled {
                if let failure = try await harness.sign(digest, key.reference).failure { failures.append(failure) }
            }
            return failures
        }
        for number in 1...8 { _ = try await make(UInt8(number)) }
        signing.cancel()
        #expect(try await signing.value.isEmpty)
        #expect(try await harness.on { $0.statistics.restarts } > 0)
        #expect(launcher.exits.contains(.exited(code: 76)))
        #expect(try await harness.future { $0.list() }.count == 9)
        try await harness.stop()
    }

    @Test("A helper answers what it has in hand when the token goes away; what comes later waits no longer than it may")
    func inHand() async throws {
        let isBack = Atomic(false)
        let gone = TokenFailure(.noToken, message: "gone")
        let helper = SupervisorFakeHelper { request, _ in
            switch request {
            case .list: return .announcing(.failure(gone))
            case .status, .look: return isBack.load(ordering: .relaxed) ? nil : .reply(.failure(gone))
            case .sign(_, _, let input) where input[0] == 1:
                while !isBack.load(ordering: .relaxed) { usleep(1_000) }
                return nil
            default: return nil
            }
        }
        var limits = SupervisorHarness.limits
        limits.signature = .seconds(60)
        let harness = try await SupervisorHarness(helper, limits: limits)
        try await harness.start()
        async let inHand = harness.sign([UInt8](repeating: 1, count: 32))
        try await harness.until { $0.statistics.inFlight == 1 }
        #expect(try await harness.future { $0.list() }.count == 100)
        #expect(try await harness.on { $0.state.failure } == gone.inOwnWords)
        #expect(try await harness.sign(digest, within: .milliseconds(200)).failure == gone.inOwnWords)
        await #expect(throws: TokenFailure.self) { _ = try await harness.future { $0.list() } }
        // Several looks later the one in hand is still not forgotten.
        try await harness.until { _ in helper.seen.filter { $0 == .status || $0 == .look }.count >= 3 }
        isBack.store(true, ordering: .relaxed)
        #expect(try await inHand.value != nil)
        try await harness.until { $0.state.isReady }
        #expect(try await harness.sign(digest).value != nil)
        #expect(helper.launches == 1)
        try await harness.stop()
    }
}
