import Testing

@testable import Varlink

/// Whose turn it is, without a loop.
@Suite struct UserTurnsTests {
    private final class Connection {}
    private typealias Turns = UserTurns<Connection>

    private static let slices = Turns.Slices(alone: 2_000, shared: 100, round: 200, memory: 1_000_000)

    @Test func whoIsAloneHasTheLongSlice() {
        var turns = Turns(slices: Self.slices)
        let user = Turns.Account(user: 1)
        #expect(turns.left(user, round: 1, now: 0) == 2_000)
        turns.charge(user, round: 1, 1_500)
        #expect(turns.left(user, round: 1, now: 10) == 500)
        turns.charge(user, round: 1, 600)
        #expect(turns.left(user, round: 1, now: 20) == 0)
        #expect(turns.left(user, round: 2, now: 30) == 2_000)
    }

    @Test func slicesAreShortAsSoonAsASecondUserIsThereAndForSomeTimeAfter() {
        var turns = Turns(slices: Self.slices)
        let one = Turns.Account(user: 1), other = Turns.Account(user: 2)
        #expect(turns.left(one, round: 1, now: 0) == 2_000)
        #expect(turns.left(other, round: 1, now: 5) == 100)
        turns.charge(one, round: 1, 150)
        #expect(turns.left(one, round: 1, now: 10) == 0)
        turns.forget(other)
        #expect(turns.left(one, round: 2, now: 500_000) == 100)
        #expect(turns.left(one, round: 3, now: 2_000_000) == 2_000)
    }

    @Test("a user with a hundred connections waiting gets a slice, and then the one with a single connection has its turn")
    func turnsGoByUser() {
        var turns = Turns(slices: Self.slices)
        let many = Turns.Account(user: 1), single = Turns.Account(user: 2)
        var owners: [ObjectIdentifier: UInt64] = [:]
        var kept: [Connection] = []
        func wait(_ account: Turns.Account) {
            let connection = Connection()
            kept.append(connection)
            owners[ObjectIdentifier(connection)] = account.user
            turns.wait(connection, of: account)
        }
        for _ in 0..<100 { wait(many) }
        wait(single)
        // Both are active.
        _ = turns.left(many, round: 0, now: 0)
        _ = turns.left(single, round: 0, now: 0)
        var now: UInt64 = 0
        var served: [UInt64] = []
        var giving = turns.begin(now: now)
        while let connection = turns.next(&giving, round: 1, now: now) {
            let owner = owners[ObjectIdentifier(connection)] ?? 0
            served.append(owner)
            // Each call takes 40, so three exceed the slice of 100.
            turns.charge(owner == 1 ? many : single, round: 1, 40)
            now += 40
        }
        #expect(served == [1, 1, 1, 2])
        #expect(!turns.isEmpty)
    }

    @Test("users who get no turn in one round come first in the next", arguments: 1...20 as ClosedRange<UInt64>)
    func nobodyStarves(seed: UInt64) {
        var generator = SeededGenerator(seed)
        var turns = Turns(slices: Self.slices)
        let accounts = (1...7).map { Turns.Account(user: UInt64($0)) }
        var owners: [ObjectIdentifier: Turns.Account] = [:]
        var kept: [Connection] = []
        for account in accounts {
            for _ in 0..<Int.random(in: 1...30, using: &generator) {
                let connection = Connection()
                kept.append(connection)
                owners[ObjectIdentifier(connection)] = account
                turns.wait(connection, of: account)
            }
        }
        var now: UInt64 = 0
        var since = [UInt64: Int](uniqueKeysWithValues: accounts.map { ($0.user, 0) })
        for round in 1...60 {
            var giving = turns.begin(now: now)
            var spent: [UInt64: UInt64] = [:]
            while let connection = turns.next(&giving, round: UInt64(round), now: now), let account = owners[ObjectIdentifier(connection)] {
                // No call starts once the slice is used up.
                #expect(spent[account.user, default: 0] < 100 || accounts.count == 1)
                let time = UInt64.random(in: 1...90, using: &generator)
                turns.charge(account, round: UInt64(round), time)
                spent[account.user, default: 0] += time
                now += time
                since[account.user] = round
                turns.wait(connection, of: account)
            }
            now += 10
        }
        // 7 users, at least two per round.
        for (user, round) in since { #expect(round >= 54, "user \(user)") }
    }
}
