import Crypto
import Glibc
import JOSE
import NIOCore
import Synchronization
import Testing
import TokenProtocol
import TokenTestSupport

@testable import TokenSupervisor

/// The program's launcher, which gives the test its processes.
final class SupervisorRecordingLauncher: HelperLauncher {
    private struct State {
        var processes: [pid_t] = []
        var exits: [HelperExit] = []
    }

    private let launcher: ProcessLauncher
    private let state = Mutex(State())

    init(path: String) { launcher = ProcessLauncher(path: path) }

    var processes: [pid_t] { state.withLock { $0.processes } }
    var exits: [HelperExit] { state.withLock { $0.exits } }

    func launch(_ configuration: TokenConfiguration, signingLinks: Int) throws(TokenFailure) -> LaunchedHelper {
        let helper = try launcher.launch(configuration, signingLinks: signingLinks)
        state.withLock { $0.processes.append(helper.process) }
        return helper
    }

    func end(_ helper: LaunchedHelper) { launcher.end(helper) }

    func end(_ helper: LaunchedHelper, after grace: TimeAmount, ended: @escaping @Sendable (HelperExit) -> Void) {
        launcher.end(helper, after: grace) { exit in
            self.state.withLock { $0.exits.append(exit) }
            ended(exit)
        }
    }

    /// Stops the running helper, every thread of it.
    func stop() {
        guard let process = processes.last else { return }
        kill(process, SIGSTOP)
        var status: Int32 = 0
        waitpid(process, &status, WUNTRACED)
    }

    /// Sends a signal to the running helper.
    func signal(_ signal: Int32) { if let process = processes.last { kill(process, signal) } }
}

@Suite("Supervisor: the real helper on SoftHSM", .timeLimit(.minutes(5)))
struct SupervisorTokenTests {
    private let fixture: HelperFixture
    private let launcher: SupervisorRecordingLauncher

    init() throws {
        fixture = try HelperFixture()
        launcher = SupervisorRecordingLauncher(path: try HelperFixture.program())
    }

    private func configuration(pinSource: String? = nil, uri: String? = nil) -> TokenConfiguration {
        TokenConfiguration(
            name: "unit", module: HelperFixture.softHSM, uri: uri ?? fixture.uri, pinSource: pinSource ?? fixture.pinFile, pool: 3,
            stateDirectory: fixture.folder + "/state", environment: ["SOFTHSM2_CONF": fixture.configurationFile])
    }

    /// - Parameter failures: Collects every failure that the token's state has had, from the start on: `KIND FUNCTION`.
    private func harness(
        _ configuration: TokenConfiguration? = nil, failures: SupervisorTexts? = nil
    ) async throws -> SupervisorHarness {
        var limits = SupervisorHarness.limits
        // The machine may be busy with other tests: only the test that stops a helper needs a short limit.
        limits.signature = .seconds(5)
        limits.hello = .seconds(30)
        limits.generation = .seconds(60)
        limits.control = .seconds(30)
        limits.recheck = .seconds(2)
        let harness = try await SupervisorHarness(launcher, configuration: configuration ?? self.configuration(), limits: limits)
        if let failures {
            try await harness.on { supervisor in
                supervisor.onStateChange = { state in state.failure.map { failures.append("\($0.kind) \($0.function ?? "-")") } }
            }
        }
        try await harness.start()
        return harness
    }

    fileprivate static func digest(_ number: Int) -> SHA256Digest { withUnsafeBytes(of: number) { SHA256.hash(data: $0) } }

    private static func environment(of process: pid_t) -> Set<String> {
        let file = open("/proc/\(process)/environ", O_RDONLY)
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = read(file, &bytes, bytes.count)
        return Set(bytes.prefix(max(0, count)).split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
    }

    private static func verifies(_ signature: [UInt8], _ number: Int, _ key: TokenKey) -> Bool {
        guard let publicKey = try? P256.Signing.PublicKey(derRepresentation: key.reference.spki),
            let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature)
        else { return false }
        return publicKey.isValidSignature(signature, for: digest(number))
    }

    @Test("Keys are made, found and used; a stopped agent leaves no process behind")
    func wholeLife() async throws {
        let harness = try await harness()
        let key = try await harness.future { $0.generate(label: "web", id: [1], algorithm: .p256) }
        #expect(key.weaknesses.isEmpty)
        #expect(try await harness.future { $0.find(uri: "pkcs11:object=web;type=private") } == [key])
        #expect(try await harness.future { $0.list() } == [key])
        let signature = try await harness.sign(Array(Self.digest(1)), key.reference).get()
        #expect(Self.verifies(signature, 1, key))
        try await harness.future { $0.destroy(key.reference) }
        #expect(try await harness.sign(Array(Self.digest(1)), key.reference).failure?.kind == .noKey)
        try await harness.stop()
        #expect(launcher.exits == [.exited(code: 0)])
        #expect(kill(try #require(launcher.processes.first), 0) == -1)
        #expect(errno == ESRCH)
    }

    @Test("The helper has the configured environment and allocator settings, and nothing else")
    func environment() async throws {
        let harness = try await harness()
        let process = try #require(launcher.processes.last)
        #expect(
            Self.environment(of: process) == [
                "SOFTHSM2_CONF=\(fixture.configurationFile)", "GLIBC_TUNABLES=glibc.malloc.tcache_count=64",
            ])
        try await harness.stop()
    }

    @Test(
        "No helper is started with a variable that would load other code into it",
        arguments: ["LD_PRELOAD", "LD_AUDIT", "GLIBC_TUNABLES", "GCONV_PATH", "PATH=/tmp"])
    func foreignCode(variable: String) async throws {
        var configuration = configuration()
        configuration.environment[variable] = "/tmp/evil.so"
        let harness = try await harness(configuration)
        let failure = try await harness.on { $0.state.failure }
        #expect(failure?.kind == .invalidRequest && failure?.message.hasSuffix("must not be set: \(variable)") == true)
        #expect(launcher.processes.isEmpty)
        try await harness.stop()
    }

    @Test("A helper is killed again and again under load: every signature is made, exactly once")
    func killedUnderLoad() async throws {
        let harness = try await harness()
        let key = try await harness.future { $0.generate(label: "web", id: [1], algorithm: .p256) }
        let tally = SupervisorTally(total: 3_000)
        let launcher = launcher
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<64 {
                group.addTask { @Sendable in
                    while let number = tally.next() {
                        let signature = try await harness.sign(tally, number, key.reference)
                        if number % 50 == 0 { #expect(Self.verifies(signature, number, key)) }
                    }
                }
            }
            group.addTask { @Sendable in
                for round in 1...3 {
                    // Not before the last one's work was resumed: a request with which two helpers died is not tried a
                    // third time.
                    try await harness.until { supervisor in
                        supervisor.state.isReady && launcher.processes.count == round
                            && supervisor.statistics.signatures > UInt64(round * 500)
                    }
                    launcher.signal(SIGKILL)
                }
            }
            try await group.waitForAll()
        }
        let counts = tally.counts
        #expect(counts.count == tally.total)
        #expect(counts.values.allSatisfy { $0 == 1 })
        let statistics = try await harness.on { $0.statistics }
        #expect(statistics.restarts >= 1)
        #expect(statistics.restarts == launcher.processes.count - 1)
        #expect(statistics.signatures == UInt64(tally.total))
        try await harness.stop()
        #expect(launcher.exits.filter { $0 == .killed(signal: SIGKILL) }.count == statistics.restarts)
        for process in launcher.processes { #expect(kill(process, 0) == -1) }
    }

    @Test("A stopped helper is killed, and the next one does its work")
    func stopped() async throws {
        let harness = try await harness()
        let key = try await harness.future { $0.generate(label: "web", id: [1], algorithm: .p256) }
        launcher.stop()
        let signature = try await harness.sign(Array(Self.digest(5)), key.reference, within: .seconds(60)).get()
        #expect(Self.verifies(signature, 5, key))
        #expect(launcher.processes.count == 2)
        try await harness.stop()
    }

    @Test("A wrong PIN is tried once, by one helper, however often it looks again")
    func wrongPIN() async throws {
        let pinFile = fixture.folder + "/pin"
        try fixture.write("314159\n", to: pinFile)
        let failures = SupervisorTexts()
        let harness = try await harness(configuration(pinSource: pinFile), failures: failures)
        // Watched from the start: on a busy machine the next look may be over before the state is read.
        #expect(failures.all.first == "pinIncorrect C_Login")
        #expect(try await harness.sign(Array(Self.digest(1))).failure != nil)
        // SoftHSM says after one wrong PIN that tries run out; either way no try is made.
        try await harness.until { [.pinLocked, .pinNotTriedAgain].contains($0.state.failure?.kind) }
        #expect(launcher.processes.count == 1)
        #expect(try await harness.on { $0.statistics.restarts } == 0)
        try await harness.stop()
    }

    @Test("A missing token is looked for until it appears")
    func noToken() async throws {
        let harness = try await harness(configuration(uri: "pkcs11:token=second"))
        #expect(try await harness.on { $0.state.failure?.kind } == .noToken)
        try fixture.addToken(label: "second")
        try await harness.until { $0.state.isReady }
        try await harness.stop()
    }
}

/// Numbers the signatures of a test and counts the answers to each.
private final class SupervisorTally: Sendable {
    let total: Int
    private let made = Atomic(0)
    private let answers = Mutex<[Int: Int]>([:])

    init(total: Int) { self.total = total }

    var counts: [Int: Int] { answers.withLock { $0 } }

    func next() -> Int? {
        let number = made.add(1, ordering: .relaxed).oldValue
        return number < total ? number : nil
    }

    func answered(_ number: Int) { answers.withLock { $0[number, default: 0] += 1 } }
}

extension SupervisorHarness {
    fileprivate func sign(_ tally: SupervisorTally, _ number: Int, _ key: TokenKeyReference) async throws -> [UInt8] {
        let result = try await future { [loop] (supervisor) -> EventLoopFuture<Result<[UInt8], TokenFailure>> in
            let promise = loop.makePromise(of: Result<[UInt8], TokenFailure>.self)
            supervisor.sign(key, .ecdsa, Array(SupervisorTokenTests.digest(number)), user: 0, deadline: .now() + .seconds(60)) { result in
                tally.answered(number)
                promise.succeed(result)
            }
            return promise.futureResult
        }
        return try result.get()
    }
}
