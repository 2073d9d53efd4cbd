import ACME
import Testing

@testable import ACMEClient

@Suite struct PollingScheduleTests {
    @Test func aCAThatAnswersQuicklyIsAskedAgainSooner() {
        #expect(PollingSchedule.firstStep(behind: .milliseconds(4)) == .milliseconds(12))
        #expect(PollingSchedule.firstStep(behind: .microseconds(10)) == .milliseconds(5))
        #expect(PollingSchedule.firstStep(behind: .seconds(3)) == PollingSchedule.firstStep)
        #expect(PollingSchedule.firstStep(behind: nil) == PollingSchedule.firstStep)
    }

    @Test func stepsGrowToTheLongestAndEndAtTheDeadline() {
        var schedule = PollingSchedule(limit: .seconds(60), now: .zero)
        var now: Duration = .zero
        var waits: [Duration] = []
        while case .wait(let duration, false) = schedule.next(retryAfter: nil, now: now) {
            waits.append(duration)
            now += duration
        }
        #expect(waits.first == PollingSchedule.firstStep)
        #expect(waits.max() == PollingSchedule.longestStep)
        #expect(now == .seconds(60))
        #expect(waits.count < 30)
    }

    @Test func retryAfterIsObeyed() {
        var schedule = PollingSchedule(limit: .seconds(60), now: .zero)
        #expect(schedule.next(retryAfter: 3, now: .zero) == .wait(.seconds(3), asked: true))
    }

    /// With a wrong clock every date may be in the past: the CA must not be polled more often for that.
    @Test(arguments: [0, -1, Int64.min]) func aRetryAfterThatIsOverIsNoReasonToHurry(seconds: Int64) {
        var schedule = PollingSchedule(limit: .seconds(60), now: .zero)
        var now: Duration = .zero
        var polls = 0
        while case .wait(let duration, _) = schedule.next(retryAfter: seconds, now: now) {
            now += duration
            polls += 1
        }
        #expect(polls < 30 && now >= .seconds(60))
    }

    /// A wait within the limit is granted even if part of the time has passed.
    @Test func allOfTheTimeMayBeAskedForAtOnce() {
        var schedule = PollingSchedule(limit: .seconds(300), now: .seconds(10))
        #expect(schedule.next(retryAfter: 300, now: .seconds(12)) == .wait(.seconds(300), asked: true))
        #expect(schedule.next(retryAfter: 300, now: .seconds(312)) == .giveUp)
    }

    @Test(arguments: [61, 1_000_000_000, Int64.max]) func aHostileRetryAfterEndsAtOnce(seconds: Int64) {
        var schedule = PollingSchedule(limit: .seconds(60), now: .zero)
        #expect(schedule.next(retryAfter: seconds, now: .zero) == .giveUp)
    }
}

@Suite struct RetryPolicyTests {
    private func after(
        _ policy: inout RetryPolicy, _ status: Int, _ kind: String? = nil, retryAfter: Int64? = nil, isRepeatable: Bool = false,
        now: Duration = .zero
    ) -> RetryPolicy.Action {
        let problem = kind.map { Problem(type: "urn:ietf:params:acme:error:" + $0) }
        return policy.after(status: status, problem: problem, retryAfter: retryAfter, isRepeatable: isRepeatable, now: now)
    }

    @Test func otherFailuresAreNotRepeated() {
        var policy = RetryPolicy(now: .zero)
        #expect(after(&policy, 403, "unauthorized", retryAfter: 1, isRepeatable: true) == .fail)
        for status in [500, 502, 504] { #expect(after(&policy, status) == .fail) }
        for status in [400, 404, 501, 505] { #expect(after(&policy, status, isRepeatable: true) == .fail) }
    }

    @Test func aRateLimitWithoutATimeIsNotWaitedFor() {
        var policy = RetryPolicy(now: .zero)
        #expect(after(&policy, 429, "rateLimited") == .fail)
    }

    @Test func waitsAreCounted() {
        var policy = RetryPolicy(now: .zero)
        for _ in 0..<RetryPolicy.maximumWaits {
            guard case .wait = after(&policy, 503, retryAfter: 1) else {
                Issue.record("no wait")
                return
            }
        }
        #expect(after(&policy, 503, retryAfter: 1) == .fail)
    }

    @Test func whatACAAsksForIsBoundedOverAllTries() {
        var policy = RetryPolicy(now: .zero)
        guard case .wait(.seconds(200), _) = after(&policy, 503, retryAfter: 200) else {
            Issue.record("no wait")
            return
        }
        #expect(after(&policy, 503, retryAfter: 200, now: .seconds(200)) == .fail)
        // Waits that the CA asked for do not count against the attempts.
        guard case .wait = after(&policy, 503, now: .seconds(201)) else {
            Issue.record("no wait")
            return
        }
    }

    @Test(arguments: [0, -1, nil]) func noWaitIsShorterThanTheOwnStep(retryAfter: Int64?) {
        var policy = RetryPolicy(now: .zero)
        for step in [500, 1000, 2000] {
            guard case .wait(.milliseconds(step), _) = after(&policy, 503, retryAfter: retryAfter) else {
                Issue.record("\(step)")
                return
            }
        }
    }

    /// An optional result is not worth a longer wait.
    @Test func aFirmLimitHoldsWhateverTheCAAsksFor() {
        var policy = RetryPolicy(now: .zero, within: .seconds(20))
        #expect(policy.timeLeft(.seconds(1)) == .seconds(19))
        func after(_ seconds: Int64, at now: Duration) -> RetryPolicy.Action {
            policy.after(status: 503, problem: nil, retryAfter: seconds, isRepeatable: true, now: now)
        }
        #expect(after(10, at: .seconds(1)) == .wait(.seconds(10), reason: "the CA is busy"))
        #expect(after(10, at: .seconds(11)) == .fail)
    }

    @Test func whenTheTimeIsOverNothingIsTriedAgain() {
        var policy = RetryPolicy(now: .seconds(5))
        #expect(policy.timeLeft(.seconds(25)) == RetryPolicy.patience - .seconds(20))
        let over = RetryPolicy.patience + .seconds(5)
        #expect(policy.timeLeft(over + .seconds(1)) == .zero)
        #expect(after(&policy, 400, "badNonce", now: over) == .fail)
        #expect(after(&policy, 503, now: over) == .fail)
        #expect(after(&policy, 502, isRepeatable: true, now: over) == .fail)
    }
}

@Suite struct LinkHeaderTests {
    @Test(arguments: [
        (["<https://ca/1>;rel=\"alternate\""], ["https://ca/1"]),
        (
            ["<https://ca/1>; rel=alternate , <https://ca/2>;rel=\"up\"", "<https://ca/3>;title=\"a,b;c\";rel=\"next alternate\""],
            ["https://ca/1", "https://ca/3"]
        ),
        (["<https://ca/1", "rel=alternate", ",,,", "<>"], []),
        (["<https://ca/1>;rel=\"index\";rel=\"alternate\""], []),
    ])
    func targets(values: [String], expected: [String]) {
        #expect(LinkHeader.targets(values, relation: "alternate") == expected)
    }

    @Test func theirNumberIsBounded() {
        let value = (0..<1000).map { "<https://ca/\($0)>;rel=alternate" }.joined(separator: ",")
        #expect(LinkHeader.targets([value], relation: "alternate").count == LinkHeader.maximumLinks)
    }
}

@Suite struct NoncePoolTests {
    @Test func oneIsFetchedWhileOthersWait() async throws {
        let pool = NoncePool()
        #expect(try await pool.take() == .fetch)
        async let second = pool.take()
        try await Task.sleep(for: .milliseconds(10))
        pool.give("a")
        #expect(try await second == .nonce("a"))
        pool.give("b")
        #expect(try await pool.take() == .nonce("b"))
    }

    @Test func aUseWithoutANonceLetsTheNextFetch() async throws {
        let pool = NoncePool()
        _ = try await pool.take()
        async let second = pool.take()
        try await Task.sleep(for: .milliseconds(10))
        pool.give(nil)
        #expect(try await second == .fetch)
    }

    @Test func aCancelledWaiterLeaves() async throws {
        let pool = NoncePool()
        _ = try await pool.take()
        let waiter = Task { try await pool.take() }
        try await Task.sleep(for: .milliseconds(10))
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await waiter.value }
        pool.give("a")
        #expect(try await pool.take() == .nonce("a"))
    }

    @Test func widthAllowsMoreAtOnce() async throws {
        let pool = NoncePool()
        pool.widen(to: 2)
        #expect(try await pool.take() == .fetch)
        #expect(try await pool.take() == .fetch)
    }

    @Test func theStockIsBounded() async throws {
        let pool = NoncePool()
        for number in 0..<100 { pool.give("n\(number)") }
        #expect(try await pool.take() == .nonce("n99"))
        for _ in 1..<NoncePool.capacity { _ = try await pool.take() }
        pool.widen(to: 16)
        async let next = pool.take()
        pool.give(nil)
        #expect(try await next == .fetch)
    }
}
