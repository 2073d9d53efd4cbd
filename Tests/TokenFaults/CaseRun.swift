import Foundation
import TokenTestSupport

/// What became of a case.
struct CaseResult: Sendable {
    let faultCase: FaultCase
    /// How often the fault happened.
    var hits = 0
    var requests = 0
    /// What callers were told whose requests failed.
    var failures: [String] = []
    /// The slowest answer while the fault lasted, in seconds.
    var slowest = 0.0
    /// From the end of a fault that lasted to the first request that was met, in seconds.
    var back: Double?
    /// What must not be.
    var findings: [String] = []
    /// The token was not in use again in time. On a busy machine this may be the machine's fault.
    var isLate = false
}

/// One fault of a token that is in use.
struct CaseRun {
    /// A fault that is ended lasts so long: less than a signature may take.
    private static let faultTime = Duration.seconds(2)
    /// Seconds in which interrupted work is settled.
    private static let mostToSettle = 12.0
    /// Seconds after which a helper that makes a key counts as hung.
    private static let longestHang = 140
    private static let clock = ContinuousClock()

    private let faultCase: FaultCase
    private let agent: TestAgent
    private let requester: Requester
    /// Seconds from the end of a fault to the next request that is met.
    private let mostToRecover: Double
    /// Which kind of request finds out whether the token is back.
    private let first: Request
    private var result: CaseResult
    /// How many helpers had been replaced before the fault.
    private var restartsBefore = 0
    private var fixture: HelperFixture { agent.fixture }

    /// - Parameters:
    ///   - number: Distributes the kinds of requests among cases.
    ///   - mostToRecover: Seconds from the end of a fault to the next request that is met.
    static func run(
        _ faultCase: FaultCase, number: Int, programs: String, like template: TestAgent, mostToRecover: Double
    ) async -> CaseResult {
        let agent: TestAgent
        do { agent = try await TestAgent(programs: programs, like: template) } catch {
            return CaseResult(faultCase: faultCase, findings: ["\(error)"])
        }
        var result = CaseResult(faultCase: faultCase)
        do {
            let keys = try await agent.withClient { try await $0.keys() }
            var run = CaseRun(
                faultCase, agent, try Requester(agent, keys: keys), Request.ofToken[number % Request.ofToken.count], mostToRecover)
            do { try await run.run() } catch { run.result.findings.append("\(error)") }
            result = run.result
        } catch {
            result.findings.append("\(error)")
        }
        if !result.findings.isEmpty { result.findings.append("the log's end:\n" + agent.lastLines) }
        await agent.end()
        agent.removeFolder()
        return result
    }

    private init(_ faultCase: FaultCase, _ agent: TestAgent, _ requester: Requester, _ first: Request, _ mostToRecover: Double) {
        self.faultCase = faultCase
        self.agent = agent
        self.requester = requester
        self.first = first
        self.mostToRecover = mostToRecover
        result = CaseResult(faultCase: faultCase)
    }

    private mutating func run() async throws {
        // Sessions are open, and keys are found.
        for request in [Request.jws, .handshake] { note(await requester.ask(request), isFaulty: false) }
        if faultCase.function.occasion == .smallTemplate { try fixture.fault("decrypt-refused") }
        switch faultCase.fault {
        case .untilHealed: try await runUntilHealed()
        default: try await runOnce()
        }
        result.hits = fixture.faults(faultCase.file)
        // One fault is over at once, so that an answer has no more time than the token to come back.
        if result.back == nil, faultCase.fault != .hang, !faultCase.mayFailRequests, result.slowest > mostToRecover { result.isLate = true }
        if result.hits == 0 { result.findings.append("the fault did not happen") }
        if let most = faultCase.mostLogins, result.hits > most {
            result.findings.append("C_Login was called \(result.hits) times with a PIN that may be tried \(most) times")
        }
        try await comeBack()
    }

    // MARK: Faults

    /// The fault meets one request of each kind.
    private mutating func runOnce() async throws {
        for request in [first] + Request.ofToken.filter({ $0 != first }) {
            restartsBefore = try await agent.token()?.restarts ?? 0
            try arm()
            if faultCase.function.occasion == .start || faultCase.function.occasion == .reopening { restartsBefore += 1 }
            note(await requester.ask(request), isFaulty: true)
            fixture.endFault(faultCase.file)
            note(await requester.ask(.list), isFaulty: false)
            guard fixture.faults(faultCase.file) > 0, isOncePerCase else { continue }
            if faultCase.fault == .hang { try await waitForEndOfHang() }
            return
        }
    }

    /// Whether one such fault is all that is to be seen: it takes long, or uses up the tries of a PIN.
    private var isOncePerCase: Bool { faultCase.returnValue == nil || faultCase.mostLogins != nil }

    /// A call that does not return ends with the helper, and the caller may have been answered before.
    private mutating func waitForEndOfHang() async throws {
        for _ in 0..<Self.longestHang * 5 {
            if let token = try await agent.token(), token.restarts > restartsBefore, token.state == .ready { return }
            try await Task.sleep(for: .milliseconds(200))
        }
        result.findings.append("the helper was not replaced within \(Self.longestHang) s")
    }

    /// The fault meets requests of all kinds, early and late.
    private mutating func runUntilHealed() async throws {
        try arm()
        let requester = requester, agent = agent, file = faultCase.file
        let ending = Task {
            // On a busy machine a new helper takes time until it calls the function.
            for _ in 0..<100 where agent.fixture.faults(file) == 0 { try? await Task.sleep(for: .milliseconds(100)) }
            try? await Task.sleep(for: Self.faultTime)
            agent.fixture.endFault(file)
            return Self.clock.now
        }
        let answers: [Answer] = await withTaskGroup(of: Answer.self) { group in
            for request in Request.allCases { group.addTask { await requester.ask(request) } }
            for request in [Request.jws, .handshake] {
                group.addTask {
                    try? await Task.sleep(for: Self.faultTime / 2)
                    return await requester.ask(request)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let end = await ending.value
        for answer in answers { note(answer, isFaulty: true) }
        if faultCase.needsAdministrator { return }
        try await untilMet(since: end)
    }

    /// Requests the fault, and sees to it that the function is called.
    private func arm() throws {
        try fixture.fault(faultCase.file, faultCase.text)
        switch faultCase.function.occasion {
        case .request, .smallTemplate: break
        case .start: agent.killHelper()
        case .reopening:
            try fixture.fault("C_OpenSession", "e0 1")
            agent.killHelper()
        case .failedSignature: try fixture.fault("C_Sign", "30 1")
        }
    }

    // MARK: Afterwards

    /// After the fault every request is met, and the token has what the entries say.
    private mutating func comeBack() async throws {
        for name in ["C_OpenSession", "C_Sign", "decrypt-refused"] where name != faultCase.file { fixture.endFault(name) }
        if faultCase.needsAdministrator {
            // A second try of a PIN that was not judged may be the right one.
            let logins = fixture.calls("C_Login")
            try await Task.sleep(for: .seconds(2))
            if faultCase.mostLogins == 1, fixture.calls("C_Login") > logins {
                result.findings.append("a PIN that was judged was tried again")
            }
            agent.forgetPINAttempts()
        }
        if faultCase.needsAdministrator || faultCase.mayFailRequests { try await untilMet(since: Self.clock.now) }
        for request in Request.allCases { note(await requester.ask(request), isFaulty: false) }
        let begin = Self.clock.now
        var difference: String?
        repeat {
            difference = try await requester.difference()
            if difference == nil { break }
            try await Task.sleep(for: .milliseconds(250))
        } while seconds(since: begin) < Self.mostToSettle
        if let difference { result.findings.append(difference) }
        if !agent.isRunning { result.findings.append("the daemon has ended") }
    }

    /// Asks until a request is met.
    private mutating func untilMet(since end: ContinuousClock.Instant) async throws {
        var last: Answer
        repeat {
            last = await requester.ask(first)
            if last.failure == nil { break }
            try await Task.sleep(for: .milliseconds(100))
        } while seconds(since: end) < 3 * mostToRecover
        let back = seconds(since: end)
        result.back = back
        if let failure = last.failure {
            result.findings.append("\(first.rawValue) still fails \(Int(back)) s after the fault: \(failure)")
        } else if back > mostToRecover {
            result.isLate = true
        }
    }

    private func seconds(since instant: ContinuousClock.Instant) -> Double { (Self.clock.now - instant) / .seconds(1) }

    /// - Parameter isFaulty: Whether the fault may have met the request.
    private mutating func note(_ answer: Answer, isFaulty: Bool) {
        result.requests += 1
        if isFaulty { result.slowest = max(result.slowest, answer.seconds) }
        if let wrong = answer.wrong { result.findings.append("\(answer.request.rawValue): \(wrong)") }
        guard let failure = answer.failure else { return }
        result.failures.append("\(answer.request.rawValue): \(failure)")
        if !isFaulty || !mayFail(answer) { result.findings.append("\(answer.request.rawValue) failed: \(failure)") }
    }

    private func mayFail(_ answer: Answer) -> Bool {
        if answer.request == .list { return false }
        if faultCase.mayFailRequests || faultCase.needsAdministrator { return true }
        // A call that does not return lasts until the helper is killed: longer than the caller waits.
        return faultCase.fault == .hang && answer.seconds >= Double(TestAgent.signingDeadline) - 1
    }
}
