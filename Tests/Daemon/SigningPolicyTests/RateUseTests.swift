import ACME
import Testing

@testable import SigningPolicy

@Suite("Rates of grants") struct RateUseTests {
    private static let hour: Int64 = 3_600_000
    private static let day = GrantRate.Limit(count: 3, seconds: GrantRate.day)
    private static let start: Int64 = 1_800_000_000_000

    private func take(_ use: inout RateUse, _ limit: GrantRate.Limit = day, at wall: Int64, of grant: String = "web") -> RateUse.Verdict {
        use.take(.orders, of: grant, limit, wall: wall, monotonic: 0)
    }

    @Test("What is limited by the day is counted over the last 24 hours, for each grant and kind apart")
    func day() {
        var use = RateUse()
        for hour: Int64 in 0..<3 { #expect(take(&use, at: Self.start + hour * Self.hour) == .taken) }
        let now = Self.start + 10 * Self.hour
        #expect(take(&use, at: now) == .exceeded(wait: 14 * Self.hour))
        // What was refused does not count.
        #expect(take(&use, at: now) == .exceeded(wait: 14 * Self.hour))
        #expect(take(&use, at: now, of: "mail") == .taken)
        #expect(use.take(.keys, of: "web", Self.day, wall: now, monotonic: 0) == .taken)
        #expect(use.left(.orders, of: "web", Self.day, wall: now, monotonic: 0) == 0)
        #expect(use.left(.orders, of: "mail", Self.day, wall: now, monotonic: 0) == 2)
        #expect(take(&use, at: Self.start + 24 * Self.hour - 1) == .exceeded(wait: 1))
        #expect(take(&use, at: Self.start + 24 * Self.hour) == .taken)
        #expect(take(&use, at: Self.start + 24 * Self.hour) == .exceeded(wait: Self.hour))
    }

    @Test("A limit that was lowered holds for what was used before, and none allows nothing")
    func lowered() {
        var use = RateUse()
        for hour: Int64 in 0..<3 { #expect(take(&use, at: Self.start + hour * Self.hour) == .taken) }
        let one = GrantRate.Limit(count: 1, seconds: GrantRate.day), none = GrantRate.Limit(count: 0, seconds: GrantRate.day)
        // The last of the three must be 24 hours ago.
        #expect(take(&use, one, at: Self.start + 3 * Self.hour) == .exceeded(wait: 23 * Self.hour))
        guard case .exceeded = take(&use, none, at: Self.start + 100 * Self.hour) else {
            Issue.record("a limit of 0 allowed one")
            return
        }
        #expect(take(&use, one, at: Self.start + 100 * Self.hour) == .taken)
    }

    @Test("A clock that is set back locks a grant for a day at most")
    func clock() {
        var use = RateUse()
        for _ in 0..<3 { #expect(take(&use, at: Self.start + 1_000 * Self.hour) == .taken) }
        func later(_ hours: Int64) -> RateUse.Verdict {
            use.take(.orders, of: "web", Self.day, wall: Self.start + hours * Self.hour, monotonic: hours * 3_600_000_000_000)
        }
        #expect(later(0) == .exceeded(wait: 24 * Self.hour))
        #expect(later(23) == .exceeded(wait: 24 * Self.hour))
        #expect(later(24) == .taken)
    }

    @Test("A refusal while the clock is in the past does not free the grant afterwards")
    func pastForAMoment() {
        var use = RateUse()
        for _ in 0..<3 { #expect(take(&use, at: Self.start + 1_000 * Self.hour) == .taken) }
        guard case .exceeded = take(&use, at: Self.start) else {
            Issue.record("the clock freed the grant")
            return
        }
        #expect(take(&use, at: Self.start + 1_001 * Self.hour) == .exceeded(wait: 23 * Self.hour))
    }

    @Test("Handshakes refill steadily, up to the burst")
    func handshakes() {
        var use = RateUse()
        let limit = GrantRate.Limit(count: 100, seconds: 1, burst: 3)
        func take(_ milliseconds: Int64) -> RateUse.Verdict {
            use.take(.handshakes, of: "web", limit, wall: 0, monotonic: milliseconds * 1_000_000)
        }
        for _ in 0..<3 { #expect(take(1_000) == .taken) }
        #expect(take(1_000) == .exceeded(wait: 10))
        #expect(take(1_009) == .exceeded(wait: 1))
        #expect(take(1_010) == .taken)
        #expect(take(1_010) == .exceeded(wait: 10))
        #expect(use.left(.handshakes, of: "web", limit, wall: 0, monotonic: 1_030 * 1_000_000) == 2)
        for _ in 0..<3 { #expect(take(5_000) == .taken) }
        #expect(take(5_000) == .exceeded(wait: 10))
        // A day's times are kept, handshakes are not.
        #expect(use.times.isEmpty)
    }

    @Test("A reload that changes the rate of handshakes holds at once: what was used before costs no more than the new burst")
    func changed() {
        var use = RateUse()
        func take(_ limit: GrantRate.Limit, at seconds: Int64 = 1) -> RateUse.Verdict {
            use.take(.handshakes, of: "web", limit, wall: 0, monotonic: seconds * 1_000_000_000)
        }
        let slow = GrantRate.Limit(count: 1, seconds: 1, burst: 2_000), fast = GrantRate.Limit(count: 500, seconds: 1, burst: 100)
        for _ in 0..<2_000 { #expect(take(slow) == .taken) }
        #expect(take(slow) == .exceeded(wait: 1_000))
        #expect(use.left(.handshakes, of: "web", fast, wall: 0, monotonic: 1_000_000_000) == 0)
        #expect(take(fast) == .exceeded(wait: 2))
        for _ in 0..<100 { #expect(take(fast, at: 2) == .taken) }
        #expect(take(fast, at: 2) == .exceeded(wait: 2))
    }

    @Test("Over ten minutes of asking without pause as many are allowed as the rate says")
    func longRun() {
        var use = RateUse(), taken = 0
        let limit = GrantRate.Limit(count: 7, seconds: 1)
        for millisecond: Int64 in 0..<600_000 {
            if use.take(.handshakes, of: "web", limit, wall: 0, monotonic: millisecond * 1_000_000) == .taken { taken += 1 }
        }
        #expect((4_200...4_207).contains(taken), "\(taken)")
    }

    @Test("What no longer counts is forgotten, also of grants that are gone")
    func forgotten() {
        var use = RateUse()
        #expect(take(&use, at: Self.start) == .taken)
        #expect(take(&use, at: Self.start + Self.hour, of: "gone") == .taken)
        use.forget(wall: Self.start + 24 * Self.hour)
        #expect(use.times.keys.map(\.grant) == ["gone"])
        use.forget(wall: Self.start + 25 * Self.hour)
        #expect(use.times.isEmpty)
    }

    @Test("Only what changes something at the CA or in the token, and handshakes, are counted")
    func kinds() {
        let counted = Operation.allCases.filter { GrantRate.Kind($0) != nil }.map(\.rawValue).sorted()
        #expect(
            counted == [
                "adopt-key", "create-key", "new-order", "revoke-certificate", "sign-client-handshake", "sign-handshake",
                "sign-server-key-exchange",
            ])
    }
}
