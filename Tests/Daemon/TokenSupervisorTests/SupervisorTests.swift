import Glibc
import NIOCore
import Synchronization
import Testing
import TokenProtocol
import TokenTestSupport

@testable import TokenSupervisor

@Suite("Supervisor: helpers that work, die, hang and violate the protocol", .timeLimit(.minutes(2)))
struct SupervisorTests {
    private static func digest(_ number: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt64(number).littleEndian) { Array($0) } + [UInt8](repeating: 0, count: 24)
    }

    private static func tag(_ request: HelperRequest) -> UInt8? { if case .sign(_, _, let input) = request { input[0] } else { nil } }

    @Test("Each signature goes to its requester")
    func manyAtOnce() async throws {
        let harness = try await SupervisorHarness(SupervisorFakeHelper { _, _ in nil })
        try await harness.start()
        #expect(try await harness.on { $0.state.isReady })
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<1_000 {
                group.addTask { try await harness.sign(Self.digest(number)) == .success(Self.digest(number)) }
            }
            for try await isRight in group { #expect(isRight) }
        }
        let statistics = try await harness.on { $0.statistics }
        #expect(statistics.signatures == 1_000)
        #expect(statistics.queued == 0)
        #expect(statistics.inFlight == 0)
        #expect(statistics.restarts == 0)
        try await harness.stop()
    }

    @Test("Signatures requested in one write are made, even nested, and so are those after it")
    func inOneWrite() async throws {
        let harness = try await SupervisorHarness(SupervisorFakeHelper { _, _ in nil })
        try await harness.start()
        let futures = try await harness.on { [loop = harness.loop] supervisor in
            var futures: [EventLoopFuture<Result<[UInt8], TokenFailure>>] = []
            func sign(_ number: Int) {
                let promise = loop.makePromise(of: Result<[UInt8], TokenFailure>.self)
                supervisor.sign(ProtocolSamples.reference, .ecdsa, SupervisorTests.digest(number), user: 0, deadline: .now() + .seconds(20))
                {
                    promise.succeed($0)
                }
                futures.append(promise.futureResult)
            }
            supervisor.inOneWrite {
                // More than the links take at once.
                for number in 0..<50 { sign(number) }
                supervisor.inOneWrite { sign(50) }
            }
            sign(51)
            // While the scheduled write is still to come.
            supervisor.inOneWrite { sign(52) }
            return futures
        }
        for (number, future) in futures.enumerated() {
            #expect(try await future.get().value == SupervisorTests.digest(number))
        }
        try await harness.stop()
    }

    @Test("With 400 RSA-4096 requests of one user, another's P-256 waits for what is in hand and one more")
    func anotherUser() async throws {
        let helper = SupervisorFakeHelper { _, _ in nil }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        let long = TokenKeyReference(id: [9], label: "long", spki: [UInt8](repeating: 9, count: 550))
        try await harness.future { [loop = harness.loop] supervisor in
            var left = 401
            let promise = loop.makePromise(of: Void.self)
            func sign(_ key: TokenKeyReference, _ mechanism: SigningMechanism, _ user: UInt32) {
                supervisor.sign(key, mechanism, SupervisorTests.digest(1), user: user, deadline: .now() + .seconds(60)) { _ in
                    left -= 1
                    if left == 0 { promise.succeed() }
                }
            }
            for _ in 0..<400 { sign(long, .rsaPSSSHA256, 1) }
            sign(ProtocolSamples.reference, .ecdsa, 2)
            return promise.futureResult
        }
        // By link: how much the other links answer while this one's thread waits for a CPU is not the supervisor's.
        let signatures = helper.seenOnLinks.map { $0.compactMap { if case .sign(let key, _, _) = $0 { key } else { nil } } }
        let before = try #require(signatures.compactMap { $0.firstIndex(of: ProtocolSamples.reference) }.first)
        #expect(before <= LinkScheduler.inFlightPerLink + 1)
        #expect(signatures.reduce(0) { $0 + $1.count } == 401)
        try await harness.stop()
    }

    @Test("Keys are made, found, listed and destroyed")
    func keys() async throws {
        let harness = try await SupervisorHarness(SupervisorFakeHelper { _, _ in nil })
        try await harness.start()
        #expect(try await harness.future { $0.generate(label: "a", id: [1], algorithm: .p256) } == ProtocolSamples.key)
        #expect(try await harness.future { $0.find(uri: "pkcs11:object=a") } == [ProtocolSamples.key])
        #expect(try await harness.future { $0.list() }.count == 100)
        try await harness.future { $0.destroy(ProtocolSamples.reference) }
        try await harness.stop()
    }

    @Test("A request that the helper would refuse to read never reaches it")
    func refused() async throws {
        let helper = SupervisorFakeHelper { _, _ in nil }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        #expect(try await harness.sign([1, 2, 3]).failure?.kind == .invalidRequest)
        await #expect(throws: TokenFailure.self) {
            _ = try await harness.future { $0.find(uri: String(repeating: "x", count: TokenLimits.uri + 1)) }
        }
        #expect(helper.seen.count == 1)
        try await harness.stop()
    }

    @Test("A signature in hand when the helper died is requested once more")
    func deathInHand() async throws {
        let helper = SupervisorFakeHelper { request, launch in launch == 1 && Self.tag(request) != nil ? .death : nil }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        let results = try await withThrowingTaskGroup(of: Result<[UInt8], TokenFailure>.self) { group in
            for number in 0..<50 { group.addTask { try await harness.sign(Self.digest(number)) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(results.compactMap(\.value)) == Set((0..<50).map { Self.digest($0) }))
        #expect(helper.launches == 2)
        #expect(try await harness.on { $0.statistics.restarts } == 1)
        try await harness.stop()
        #expect(helper.ends == 2)
    }

    @Test("A request that two helpers die with fails; the others are served")
    func poison() async throws {
        let helper = SupervisorFakeHelper { request, _ in Self.tag(request) == 0xFF ? .death : nil }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        async let poison = harness.sign(Self.digest(0xFF))
        let others = try await withThrowingTaskGroup(of: Result<[UInt8], TokenFailure>.self) { group in
            for number in 0..<20 { group.addTask { try await harness.sign(Self.digest(number)) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(try await poison.failure?.kind == .helperDied)
        // One that shared the helper with it twice may have failed as well, but is answered.
        #expect(others.count == 20)
        #expect(others.allSatisfy { $0.value != nil || $0.failure?.kind == .helperDied })
        #expect(try await harness.sign(Self.digest(7)) == .success(Self.digest(7)))
        #expect(helper.launches == 3)
        try await harness.stop()
    }

    @Test("A helper that hangs is killed, and another does its work")
    func hang() async throws {
        let helper = SupervisorFakeHelper { request, launch in launch == 1 && Self.tag(request) != nil ? .nothing : nil }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        #expect(try await harness.sign(Self.digest(3)) == .success(Self.digest(3)))
        #expect(helper.launches == 2)
        #expect(helper.ends == 1)
        try await harness.stop()
    }

    @Test("A deadline is kept although the token still works on it")
    func deadline() async throws {
        let helper = SupervisorFakeHelper { request, _ in Self.tag(request) == 9 ? .nothing : nil }
        var limits = SupervisorHarness.limits
        limits.signature = .seconds(60)
        let harness = try await SupervisorHarness(helper, limits: limits)
        try await harness.start()
        let begin = NIODeadline.now()
        #expect(try await harness.sign(Self.digest(9), within: .milliseconds(100)).failure?.kind == .timeout)
        #expect(NIODeadline.now() - begin < .seconds(10))
        #expect(try await harness.on { $0.statistics.inFlight } == 1)
        #expect(try await harness.sign(Self.digest(1)).value != nil)
        #expect(helper.launches == 1)
        try await harness.stop()
    }

    @Test("A helper that violates the protocol is replaced")
    func nonsense() async throws {
        let bad: [SupervisorFakeHelper.Answer] = [
            .bytes([5, 0, 0, 0, 1, 0, 0, 0, 0x99]), .bytes([UInt8](repeating: 0xFF, count: 64)),
            .replyAs(77, .signature([1])), .replyAs(.max, .done),
        ]
        let helper = SupervisorFakeHelper { request, launch in
            Self.tag(request) != nil && launch <= bad.count ? bad[launch - 1] : nil
        }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        // Each is tried with two helpers.
        #expect(try await harness.sign(Self.digest(1)).failure?.kind == .helperDied)
        #expect(try await harness.sign(Self.digest(2)).failure?.kind == .helperDied)
        #expect(try await harness.sign(Self.digest(3)).value == Self.digest(3))
        #expect(helper.launches == bad.count + 1)
        try await harness.stop()
    }

    @Test("A key may have been made when the helper died, so that is not tried again; a listing is")
    func controlDeaths() async throws {
        let helper = SupervisorFakeHelper { request, launch in
            switch request {
            case .list where launch == 1: .death
            case .generate: .death
            default: nil
            }
        }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        #expect(try await harness.future { $0.list() }.count == 100)
        let error = await #expect(throws: TokenFailure.self) {
            _ = try await harness.future { $0.generate(label: "a", id: [1], algorithm: .p256) }
        }
        #expect(error?.kind == .helperDied)
        #expect(error?.mayHaveHappened == true)
        #expect(try await harness.future { $0.find(uri: "pkcs11:") }.count == 1)
        #expect(helper.seen.filter { if case .generate = $0 { true } else { false } }.count == 1)
        #expect(helper.launches == 3)
        try await harness.stop()
    }

    @Test("A key in creation when the agent stops may exist; one that waits does not")
    func stopWhileMaking() async throws {
        let helper = SupervisorFakeHelper { request, _ in if case .generate = request { .nothing } else { nil } }
        var limits = SupervisorHarness.limits
        limits.generation = .seconds(60)
        let harness = try await SupervisorHarness(helper, limits: limits)
        try await harness.start()
        let (first, second) = try await harness.on { supervisor in
            (
                supervisor.generate(label: "a", id: [1], algorithm: .p256), supervisor.generate(label: "b", id: [2], algorithm: .p256)
            )
        }
        for _ in 0..<1_000 where !helper.seen.contains(where: { if case .generate = $0 { true } else { false } }) {
            try await Task.sleep(for: .milliseconds(5))
        }
        try await harness.future { $0.stop() }
        let inHand = await #expect(throws: TokenFailure.self) { try await first.get() }
        let waiting = await #expect(throws: TokenFailure.self) { try await second.get() }
        #expect(inHand?.kind == .stopped && inHand?.mayHaveHappened == true)
        #expect(waiting?.kind == .stopped && waiting?.mayHaveHappened == false)
        try await harness.stop()
    }

    @Test("A call that hangs costs the helper, and the next call is served")
    func controlHang() async throws {
        let helper = SupervisorFakeHelper { request, launch in
            launch == 1 && request == .destroy(ProtocolSamples.reference) ? .nothing : nil
        }
        var limits = SupervisorHarness.limits
        limits.control = .milliseconds(300)
        let harness = try await SupervisorHarness(helper, limits: limits)
        try await harness.start()
        let error = await #expect(throws: TokenFailure.self) { try await harness.future { $0.destroy(ProtocolSamples.reference) } }
        #expect(error?.kind == .helperDied)
        #expect(try await harness.future { $0.list() }.count == 100)
        try await harness.stop()
    }

    @Test(
        "A refused PIN is reported at once, without a restart of the helper", arguments: [TokenFailure.Kind.pinIncorrect, .pinLocked])
    func pin(_ kind: TokenFailure.Kind) async throws {
        let helper = SupervisorFakeHelper { request, _ in
            switch request {
            case .hello: .reply(.failure(TokenFailure(kind, function: "C_Login", returnValue: 0xA0, message: "the PIN is wrong")))
            case .status: .reply(.failure(TokenFailure(.pinNotTriedAgain, message: "refused before")))
            default: nil
            }
        }
        let harness = try await SupervisorHarness(helper)
        let states = SupervisorTexts()
        try await harness.on { supervisor in
            supervisor.onStateChange = { states.append("\($0.failure.map { "\($0.kind) \($0.function ?? "")" } ?? "")") }
        }
        try await harness.start()
        try await harness.until { $0.state.failure?.kind == .pinNotTriedAgain }
        #expect(states.all == ["\(kind) C_Login", "pinNotTriedAgain "])
        #expect(try await harness.sign(Self.digest(1)).failure?.kind == .pinNotTriedAgain)
        #expect(helper.launches == 1)
        #expect(helper.seen.filter { if case .hello = $0 { true } else { false } }.count == 1)
        try await harness.stop()
    }

    @Test("A token that comes later is found")
    func tokenComesLater() async throws {
        let looks = Atomic(0)
        let helper = SupervisorFakeHelper { request, _ in
            guard request == .hello(ProtocolSamples.configuration) || request == .status else { return nil }
            return looks.add(1, ordering: .relaxed).newValue < 4 ? .reply(.failure(TokenFailure(.noToken, message: "no token"))) : nil
        }
        let harness = try await SupervisorHarness(helper)
        let states = SupervisorTexts()
        try await harness.on { supervisor in supervisor.onStateChange = { states.append("\($0.failure.map { "\($0.kind)" } ?? "ready")") } }
        try await harness.start()
        try await harness.until { $0.state.isReady }
        #expect(try await harness.sign(Self.digest(1)).value != nil)
        #expect(states.all == ["noToken", "ready"])
        #expect(helper.launches == 1)
        try await harness.stop()
    }

    @Test("Signatures requested while a helper starts wait for it")
    func waitsForStart() async throws {
        let helper = SupervisorFakeHelper { request, _ in
            if case .hello = request { usleep(300_000) }
            return nil
        }
        let harness = try await SupervisorHarness(helper)
        async let started: Void = harness.start()
        #expect(try await harness.sign(Self.digest(1)).value == Self.digest(1))
        #expect(try await harness.future { $0.list() }.count == 100)
        try await started
        try await harness.stop()
    }

    @Test("Requests that wait when the agent stops fail with that reason")
    func stop() async throws {
        let helper = SupervisorFakeHelper { request, _ in Self.tag(request) != nil ? .nothing : nil }
        // A helper that does not answer, and must not be taken for one that hangs.
        var limits = SupervisorHarness.limits
        limits.signature = .seconds(60)
        let harness = try await SupervisorHarness(helper, limits: limits)
        try await harness.start()
        async let inHand = harness.sign(Self.digest(1))
        try await harness.until { $0.statistics.inFlight == 1 }
        try await harness.future { $0.stop() }
        #expect(try await inHand.failure?.kind == .stopped)
        #expect(try await harness.sign(Self.digest(1)).failure?.kind == .stopped)
        await #expect(throws: TokenFailure.self) { _ = try await harness.future { $0.list() } }
        try await harness.stop()
        #expect(helper.ends == 1)
        #expect(helper.launches == 1)
    }

    @Test("A helper that cannot be started: a clear failure, and the next start is tried")
    func cannotStart() async throws {
        let harness = try await SupervisorHarness(ProcessLauncher(path: "/nonexistent/acme-agent-token"))
        try await harness.start()
        let failure = try await harness.on { $0.state.failure }
        #expect(failure?.kind == .helperDied)
        #expect(failure?.message.contains("/nonexistent/acme-agent-token") == true)
        #expect(failure?.message.contains("No such file or directory") == true)
        #expect(failure?.hint?.contains("helper") == true)
        #expect(try await harness.sign(Self.digest(1)).failure == failure)
        try await harness.until { $0.statistics.restarts >= 3 }
        try await harness.stop()
    }

    @Test("The supervisor gives up on a program that ends at once after some tries", arguments: ["/bin/true", "/bin/false"])
    func endsAtOnce(_ program: String) async throws {
        let harness = try await SupervisorHarness(ProcessLauncher(path: program))
        try await harness.start()
        #expect(try await harness.on { $0.state.failure?.kind } == .helperDied)
        #expect(try await harness.sign(Self.digest(1)).failure?.message.contains("keeps dying") == true)
        try await harness.stop()
    }
}

/// Texts from another thread.
final class SupervisorTexts: Sendable {
    private let texts = Mutex<[String]>([])
    var all: [String] { texts.withLock { $0 } }
    func append(_ text: String) { texts.withLock { $0.append(text) } }
}
