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
        var schedule = PollingSchedule(deadline: .seconds(60))
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
        var schedule = PollingSchedule(deadline: .seconds(60))
        #expect(schedule.next(retryAfter: 3, now: .zero) == .wait(.seconds(3), asked: true))
        #expect(schedule.next(retryAfter: 0, now: .zero) == .wait(PollingSchedule.shortestWait, asked: true))
        #expect(schedule.next(retryAfter: -1, now: .zero) == .wait(PollingSchedule.shortestWait, asked: true))
    }

    @Test(arguments: [61, 1_000_000_000, Int64.max]) func aHostileRetryAfterEndsAtOnce(seconds: Int64) {
        var schedule = PollingSchedule(deadline: .seconds(60))
        #expect(schedule.next(retryAfter: seconds, now: .zero) == .giveUp)
    }
}

@Suite struct RetryPolicyTests {
    @Test func otherFailuresAreNotRepeated() {
        var policy = RetryPolicy()
        #expect(policy.after(status: 403, problem: Problem(type: "urn:ietf:params:acme:error:unauthorized"), retryAfter: 1) == .fail)
        #expect(policy.after(status: 500, problem: nil, retryAfter: nil) == .fail)
    }

    @Test func aRateLimitWithoutATimeIsNotWaitedFor() {
        var policy = RetryPolicy()
        #expect(policy.after(status: 429, problem: Problem(type: "urn:ietf:params:acme:error:rateLimited"), retryAfter: nil) == .fail)
    }

    @Test func waitsAreCounted() {
        var policy = RetryPolicy()
        for _ in 0..<RetryPolicy.maximumWaits {
            guard case .wait = policy.after(status: 503, problem: nil, retryAfter: 1) else { Issue.record("no wait"); return }
        }
        #expect(policy.after(status: 503, problem: nil, retryAfter: 1) == .fail)
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
