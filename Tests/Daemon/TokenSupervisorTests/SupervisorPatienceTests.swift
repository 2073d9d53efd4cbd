import NIOCore
import Synchronization
import Testing
import TokenProtocol
import TokenTestSupport

@testable import TokenSupervisor

/// A request outlasts a fault of the token that is shorter than its caller waits, and no longer one.
@Suite("Supervisor: a fault that passes is not seen", .timeLimit(.minutes(2)))
struct SupervisorPatienceTests {
    private let digest = [UInt8](repeating: 3, count: 32)
    private let fault = TokenFailure(.device, function: "C_Sign", returnValue: 0x30, message: "the token failed")
    private static let id = [UInt8](repeating: 7, count: TokenLimits.uniqueID)
    private static let making = HelperRequest.generate(label: "a", id: id, algorithm: .p256)

    private func signatures(_ helper: SupervisorFakeHelper) -> Int {
        helper.seen.count { if case .sign = $0 { true } else { false } }
    }

    @Test("A signature that fails three times is made at the fourth")
    func signature() async throws {
        let failures = Atomic(0)
        let helper = SupervisorFakeHelper { [fault] request, _ in
            guard case .sign = request, failures.add(1, ordering: .relaxed).newValue <= 3 else { return nil }
            return .reply(.failure(fault))
        }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        #expect(try await harness.sign(digest).value == digest)
        #expect(signatures(helper) == 4)
        #expect(try await harness.on { $0.statistics.queued } == 0)
        try await harness.stop()
    }

    @Test("A key that has failed for longer than its caller waits fails at once; one that works again is waited for again")
    func longFault() async throws {
        let isFaulty = Atomic(true)
        let helper = SupervisorFakeHelper { [fault] request, _ in
            guard case .sign(ProtocolSamples.reference, _, _) = request, isFaulty.load(ordering: .relaxed) else { return nil }
            return .reply(.failure(fault))
        }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        #expect(try await harness.sign(digest, within: .milliseconds(500)).failure == fault.inOwnWords)
        let tries = signatures(helper)
        #expect((2...4).contains(tries))
        #expect(try await harness.sign(digest, within: .milliseconds(200)).failure == fault.inOwnWords)
        #expect(signatures(helper) == tries + 1)
        // Others do not pay for it.
        let other = TokenKeyReference(id: [9], label: "other", spki: [1])
        #expect(try await harness.sign(digest, other).value == digest)
        isFaulty.store(false, ordering: .relaxed)
        #expect(try await harness.sign(digest, within: .milliseconds(200)).value == digest)
        #expect(try await harness.on { $0.outages.isEmpty })
        try await harness.stop()
    }

    @Test("What would fail again is answered at once", arguments: [TokenFailure.Kind.unsupported, .keyMismatch, .pinNotTriedAgain])
    func lastingFault(_ kind: TokenFailure.Kind) async throws {
        let helper = SupervisorFakeHelper { request, _ in
            if case .sign = request { .reply(.failure(TokenFailure(kind, message: "no"))) } else { nil }
        }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        #expect(try await harness.sign(digest).failure?.kind == kind)
        #expect(signatures(helper) == 1)
        try await harness.stop()
    }

    @Test("While the token is away a request waits for it, unless it has been away for longer than the request may take")
    func away() async throws {
        let isBack = Atomic(false)
        let gone = TokenFailure(.noToken, message: "gone")
        let helper = SupervisorFakeHelper { request, _ in
            switch request {
            case .list: .announcing(.failure(gone))
            case .status, .look: isBack.load(ordering: .relaxed) ? nil : .reply(.failure(gone))
            default: nil
            }
        }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        _ = try await harness.future { $0.list() }
        try await harness.until { $0.state.failure == gone.inOwnWords }
        async let signature = harness.sign(digest)
        async let key = harness.future { $0.generate(label: "a", id: Self.id, algorithm: .p256, user: 1) }
        try await harness.until { $0.statistics.queued == 1 }
        try await Task.sleep(for: .milliseconds(300))
        let begin = NIODeadline.now()
        #expect(try await harness.sign(digest, within: .milliseconds(250)).failure == gone.inOwnWords)
        #expect(NIODeadline.now() - begin < .milliseconds(200))
        #expect(try await harness.on { $0.refusal(within: .milliseconds(250)) } == gone.inOwnWords)
        #expect(try await harness.on { $0.refusalOfCall } == nil)
        isBack.store(true, ordering: .relaxed)
        #expect(try await signature.value == digest)
        #expect(try await key == ProtocolSamples.key)
        try await harness.stop()
    }

    @Test("A token that has never been there is not waited for")
    func neverThere() async throws {
        let gone = TokenFailure(.noToken, message: "gone")
        let helper = SupervisorFakeHelper { request, _ in
            switch request {
            case .hello, .status, .look: .reply(.failure(gone))
            default: nil
            }
        }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        #expect(try await harness.sign(digest).failure == gone.inOwnWords)
        await #expect(throws: gone.inOwnWords) {
            _ = try await harness.future { $0.generate(label: "a", id: [1], algorithm: .p256, user: 1) }
        }
        try await harness.stop()
    }

    /// What the helper is asked for after the first try failed.
    enum Sequel: CaseIterable {
        /// Nothing was made.
        case again
        /// Something may have been made, and is found.
        case found
        /// Something may have been made, and is not found.
        case notFound
        /// The helper died.
        case died
    }

    @Test("A key is made in spite of a fault, and never twice", arguments: Sequel.allCases)
    func making(_ sequel: Sequel) async throws {
        let tries = Atomic(0)
        let helper = SupervisorFakeHelper { request, _ in
            switch request {
            case .generate where tries.add(1, ordering: .relaxed).newValue == 1:
                sequel == .died
                    ? .death : .reply(.failure(TokenFailure(.device, message: "the token failed", mayHaveHappened: sequel != .again)))
            case .settle where sequel == .found || sequel == .died: .reply(.settled(ProtocolSamples.key))
            default: nil
            }
        }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        #expect(try await harness.future { $0.generate(label: "a", id: Self.id, algorithm: .p256, user: 1) } == ProtocolSamples.key)
        let calls = helper.seen.filter { if case .hello = $0 { false } else { true } }
        let looked = HelperRequest.settle(label: "a", id: Self.id)
        switch sequel {
        case .again: #expect(calls == [Self.making, Self.making])
        case .found, .died: #expect(calls == [Self.making, looked])
        case .notFound: #expect(calls == [Self.making, looked, Self.making])
        }
        try await harness.stop()
    }

    @Test("A key of which nobody knows whether it was made stays in doubt")
    func doubt() async throws {
        let helper = SupervisorFakeHelper { request, _ in
            switch request {
            case .generate: .reply(.failure(TokenFailure(.device, message: "the token failed")))
            case .settle: .reply(.failure(TokenFailure(.noToken, message: "gone")))
            default: nil
            }
        }
        var limits = SupervisorHarness.limits
        limits.patience = .milliseconds(500)
        let harness = try await SupervisorHarness(helper, limits: limits)
        try await harness.start()
        let failure = await #expect(throws: TokenFailure.self) {
            _ = try await harness.future { $0.generate(label: "a", id: Self.id, algorithm: .p256, user: 1) }
        }
        #expect(failure?.kind == .noToken && failure?.mayHaveHappened == true)
        #expect(helper.seen.count { $0 == Self.making } == 1)
        try await harness.stop()
    }

    @Test("A key is destroyed by the next helper if the first one died of it, and not by a third")
    func destroying() async throws {
        let helper = SupervisorFakeHelper { request, launch in
            guard case .destroy = request, launch != 2 else { return nil }
            return .death
        }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        try await harness.future { $0.destroy(ProtocolSamples.reference, user: 1) }
        #expect(helper.launches == 2)
        try await harness.stop()

        let deadly = SupervisorFakeHelper { request, _ in if case .destroy = request { .death } else { nil } }
        let other = try await SupervisorHarness(deadly)
        try await other.start()
        let failure = await #expect(throws: TokenFailure.self) {
            try await other.future { $0.destroy(ProtocolSamples.reference, user: 1) }
        }
        #expect(failure?.kind == .helperDied)
        #expect(deadly.seen.count { if case .destroy = $0 { true } else { false } } == 2)
        try await other.stop()
    }

    @Test("What is held when the agent stops is answered")
    func stop() async throws {
        let helper = SupervisorFakeHelper { [fault] request, _ in
            switch request {
            case .sign: .reply(.failure(fault))
            case .destroy: .reply(.failure(fault))
            default: nil
            }
        }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        async let signature = harness.sign(digest)
        async let destruction: Void = harness.future { $0.destroy(ProtocolSamples.reference, user: 1) }
        try await harness.until { $0.held.count == 1 && $0.heldCalls.count == 1 }
        try await harness.future { $0.stop() }
        #expect(try await signature.failure?.kind == .stopped)
        do {
            try await destruction
            Issue.record("the key was destroyed")
        } catch let failure as TokenFailure {
            #expect(failure.kind == .stopped)
        }
        try await harness.stop()
    }

    @Test("Pauses double up to a second; an outage is forgotten when the key works, and after a minute without a failure")
    func memory() {
        #expect(
            [1, 2, 3, 4, 5, 60].map { OutageMemory.pause(afterFailures: $0) }
                == [100, 200, 400, 800, 1_000, 1_000].map { .milliseconds($0) })
        let key = ProtocolSamples.reference, start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var memory = OutageMemory()
        #expect(memory.age(key, now: start) == .zero)
        memory.failed(key, now: start)
        memory.failed(key, now: start + .seconds(5))
        #expect(memory.age(key, now: start + .seconds(6)) == .seconds(6))
        #expect(memory.age(key, now: start + .seconds(70)) == .zero)
        memory.failed(key, now: start + .seconds(70))
        #expect(memory.age(key, now: start + .seconds(71)) == .seconds(1))
        memory.worked(key)
        #expect(memory.age(key, now: start + .seconds(71)) == .zero)
        for number in 0..<(3 * OutageMemory.mostKeys) {
            memory.failed(TokenKeyReference(id: [UInt8(number & 0xFF), UInt8(number >> 8)], label: "a", spki: []), now: start)
        }
        #expect(!memory.isEmpty)
    }
}
