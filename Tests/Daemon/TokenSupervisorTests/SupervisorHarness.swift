import DaemonLog
import JOSE
import LogRecorder
import Logging
import NIOCore
import NIOPosix
import TokenProtocol
import TokenSupervisor
import TokenTestSupport

/// A supervisor on its own event loop, used from a test's task.
final class SupervisorHarness: Sendable {
    let loop: any EventLoop
    let logged = LogRecorder.Lines()
    private let group: MultiThreadedEventLoopGroup
    private let bound: NIOLoopBound<TokenSupervisor>

    /// Short waits: a test that must see a hang should not take ten seconds.
    static var limits: SupervisorLimits {
        var limits = SupervisorLimits()
        limits.signature = .milliseconds(700)
        limits.hello = .seconds(5)
        limits.generation = .seconds(5)
        limits.control = .seconds(5)
        limits.recheck = .milliseconds(100)
        limits.firstPause = .milliseconds(10)
        limits.longestPause = .milliseconds(50)
        return limits
    }

    init(
        _ launcher: any HelperLauncher, configuration: TokenConfiguration = ProtocolSamples.configuration,
        limits: SupervisorLimits = SupervisorHarness.limits
    ) async throws {
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        self.loop = loop
        let logger = DaemonLogger(Logger(label: "test") { [logged] _ in LogRecorder(lines: logged) })
        bound = try await loop.submit { [logger] in
            NIOLoopBound(
                TokenSupervisor(configuration: configuration, launcher: launcher, eventLoop: loop, logger: logger, limits: limits),
                eventLoop: loop)
        }.get()
    }

    /// Runs `body` with the supervisor on its loop.
    func on<Value: Sendable>(_ body: @escaping @Sendable (TokenSupervisor) throws -> Value) async throws -> Value {
        try await loop.submit { [bound] in try body(bound.value) }.get()
    }

    func future<Value: Sendable>(_ body: @escaping @Sendable (TokenSupervisor) -> EventLoopFuture<Value>) async throws -> Value {
        try await loop.flatSubmit { [bound] in body(bound.value) }.get()
    }

    func start() async throws { try await future { $0.start() } }

    func stop() async throws {
        try await future { $0.stop() }
        try await group.shutdownGracefully()
    }

    func sign(
        _ input: [UInt8], _ key: TokenKeyReference = ProtocolSamples.reference, _ mechanism: SigningMechanism = .ecdsa,
        user: UInt32 = 0, within time: TimeAmount = .seconds(20)
    ) async throws -> Result<[UInt8], TokenFailure> {
        try await future { [loop] supervisor in
            let promise = loop.makePromise(of: Result<[UInt8], TokenFailure>.self)
            supervisor.sign(key, mechanism, input, user: user, deadline: .now() + time) { promise.succeed($0) }
            return promise.futureResult
        }
    }

    /// Waits until `condition` holds for the supervisor.
    func until(_ condition: @escaping @Sendable (TokenSupervisor) -> Bool) async throws {
        for _ in 0..<2_000 {
            if try await on({ condition($0) }) { return }
            try await Task.sleep(nanoseconds: 5_000_000)
        }
        throw TokenFailure(.timeout, message: "what the test waits for did not come")
    }
}

extension TokenState {
    var failure: TokenFailure? { if case .unavailable(let failure) = self { failure } else { nil } }
    var isReady: Bool { if case .ready = self { true } else { false } }
}

extension Result where Failure == TokenFailure {
    var failure: TokenFailure? { if case .failure(let failure) = self { failure } else { nil } }
    var value: Success? { try? get() }
}
