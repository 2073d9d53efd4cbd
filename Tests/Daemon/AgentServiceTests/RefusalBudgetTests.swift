import Testing

@testable import AgentService

@Suite("Refusals that are recorded")
struct RefusalBudgetTests {
    private var small: RefusalBudget.Bounds {
        RefusalBudget.Bounds(window: 1_000, perUser: 3, bytesPerUser: 100, all: 5, bytesOfAll: 200, users: 2)
    }

    @Test("Refusals beyond a user's limit are counted; the next window starts over and reports the count")
    func number() {
        var budget = RefusalBudget(small)
        #expect((0..<5).map { budget.take(1, bytes: 1, now: $0) } == [.record, .record, .record, .leaveOutFirst, .leaveOut])
        #expect(budget.isExhausted(for: 1, now: 10) && !budget.isExhausted(for: 2, now: 10))
        #expect(budget.take(2, bytes: 1, now: 10) == .record)
        #expect(budget.owes && budget.settle(now: 999) == [])
        #expect(budget.settle(now: 1_000) == [RefusalBudget.LeftOut(user: 1, count: 2)])
        #expect(!budget.owes && budget.settle(now: 5_000) == [])
        #expect(budget.take(1, bytes: 1, now: 5_000) == .record)
    }

    @Test("Bytes count as well as records")
    func bytes() {
        var budget = RefusalBudget(small)
        #expect(budget.take(1, bytes: 101, now: 0) == .leaveOutFirst)
        #expect(budget.take(1, bytes: 60, now: 0) == .record)
        #expect(budget.take(1, bytes: 60, now: 0) == .leaveOut)
        #expect(budget.take(1, bytes: nil, now: 0) == .leaveOut)
        #expect(budget.take(1, bytes: 40, now: 0) == .record)
        #expect(budget.settle(now: 0, all: true) == [RefusalBudget.LeftOut(user: 1, count: 3)])
    }

    @Test("All users together have a limit too, and users beyond it are counted together")
    func everybody() {
        var budget = RefusalBudget(small)
        for user: UInt32 in 1...2 { for _ in 0..<2 { #expect(budget.take(user, bytes: 1, now: 0) == .record) } }
        #expect(budget.take(3, bytes: 1, now: 0) == .leaveOutFirst)
        #expect(budget.take(4, bytes: 1, now: 0) == .leaveOut)
        #expect(budget.take(1, bytes: 1, now: 0) == .record)
        #expect(budget.take(2, bytes: 1, now: 0) == .leaveOutFirst)
        #expect(budget.isExhausted(for: 2, now: 0))
        #expect(
            budget.settle(now: 2_000) == [RefusalBudget.LeftOut(user: 2, count: 1), RefusalBudget.LeftOut(user: nil, count: 2)])
        #expect(budget.take(3, bytes: 1, now: 2_000) == .record)
    }

    @Test("A count from a finished window is not lost when the user returns before the timer")
    func owed() {
        var budget = RefusalBudget(small)
        for _ in 0..<5 { _ = budget.take(1, bytes: 1, now: 0) }
        #expect(budget.take(1, bytes: 1, now: 1_500) == .record)
        #expect(budget.settle(now: 9_000) == [RefusalBudget.LeftOut(user: 1, count: 2)])
    }
}
