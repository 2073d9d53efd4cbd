import ACME
import CertificateStore
import Foundation
import TestSupport
import Testing

@testable import Issuance

/// Which certificates are renewed when, over days and years.
@Suite struct RenewalSchedulerTests {
    private static let day: Int64 = 86_400

    private func limits(atOnce: Int = 4) -> RenewalScheduler.Limits {
        var limits = RenewalScheduler.Limits()
        limits.atOnce = atOnce
        return limits
    }

    /// What goes wrong, in days from the start.
    private struct Plan {
        var count: Int
        var days: Int64
        var limit: Int
        var outages: [(from: Int64, days: Double)]
        var failingLooks: [(from: Int64, days: Double)]
        var lyingLooks: [(from: Int64, days: Double)]
        var newTerms: (from: Int64, days: Double)
        var revocation: Int64

        /// Two years of 200 certificates take minutes.
        static let long = Plan(
            count: 200, days: 730, limit: 300, outages: [(50, 1.0 / 24), (120, 1), (300, 7), (500, 1.0 / 24), (620, 3)],
            failingLooks: [(150, 30), (420, 2)], lyingLooks: [(200, 40)], newTerms: (400, 2), revocation: 560)
        static let short = Plan(
            count: 6, days: 200, limit: 8, outages: [(30, 1.0 / 24), (50, 1), (110, 7)], failingLooks: [(65, 10)],
            lyingLooks: [(80, 20)], newTerms: (140, 2), revocation: 160)
    }

    /// Everything that goes wrong in two years (`make test-long`), or in 200 days.
    @Test func nobodyHasToDoAnything() async throws {
        let day = Self.day, plan = ProcessInfo.processInfo.environment["ACME_AGENT_LONG_TESTS"] != nil ? Plan.long : .short
        let time = VirtualTime(), start = time.unixTime(), pause: Int64 = 900
        func span(_ entry: (from: Int64, days: Double)) -> Range<Int64> {
            start + entry.from * day..<start + entry.from * day + Int64(entry.days * 86_400)
        }
        let outages = plan.outages.map(span)
        let world = try RenewalWorld(
            count: plan.count, days: [90, 47, 6], time: time, limit: plan.limit, outages: outages,
            failingLooks: plan.failingLooks.map(span), lyingLooks: plan.lyingLooks.map(span), refusals: [span(plan.newTerms)])
        try await world.run(until: start + plan.revocation * day)
        // A fifth is revoked by the CA, and only half of that has a window that says so.
        world.revoke(isListed: true) { $0 % 10 == 0 }
        world.revoke { $0 % 10 == 5 }
        try await world.run(until: start + (plan.revocation + 1) * day)
        let revoked = world.state.withLock { $0.certificates.filter { $0.isRevoked || $0.isListed }.count }
        #expect(revoked == 0, "replaced within a day")
        try await world.run(until: start + plan.days * day)
        let state = world.state.withLock { $0 }
        #expect(state.ordersAboveLimit == 0)
        // Only certificates of which the whole time from the fallback to the end was in an outage, or in one and the wait
        // after the terms changed.
        for expiry in state.expired {
            #expect(
                outages.contains { $0.contains(expiry.due + day) && $0.contains(expiry.notAfter - 2 * pause) },
                "\(expiry.name) expired at day \((expiry.notAfter - start) / day), due from day \((expiry.due - start) / day)")
        }
        // Nobody hammers: an hour never has more than five attempts of one certificate.
        for (name, attempts) in state.attempts {
            for (index, moment) in attempts.enumerated() where index >= 5 {
                #expect(moment - attempts[index - 5] > 3_600, "\(name)")
            }
        }
        // Each certificate's life can be read from the log: its renewals are as many as its lifetime needs.
        for certificate in state.certificates {
            let renewals = state.log.filter { $0.contains(" \(certificate.name) renewed") }.count
            let usual = Int(plan.days * 10 / (certificate.days * 6))
            #expect(renewals >= usual * 8 / 10 - 1 && renewals <= usual * 13 / 10 + 3, "\(certificate.name): \(renewals), usual \(usual)")
        }
    }

    @Test func aCAThatIsDownIsReplacedByTheOtherOne() async throws {
        let time = VirtualTime(), start = time.unixTime(), day = Self.day
        let world = try RenewalWorld(
            count: 12, days: [6], time: time, outages: [start + day..<start + 15 * day], hasOther: true)
        try await world.run(until: start + 12 * day)
        let state = world.state.withLock { $0 }
        #expect(state.expired.isEmpty)
        #expect(state.log.contains { $0.hasSuffix("renewed at other.example") })
        // Never without having asked its own first.
        for certificate in state.certificates {
            let own = state.log.filter { $0.contains(" \(certificate.name) ") }
            if let index = own.firstIndex(where: { $0.hasSuffix("other.example") }) {
                #expect(index >= 2 && own[index - 1].hasSuffix("failed: down") && own[index - 2].hasSuffix("failed: down"))
            }
        }
        try await world.run(until: start + 25 * day)
        let back = world.state.withLock { $0 }
        #expect(back.log.last { $0.contains("renewed") }?.hasSuffix("renewed at ca.example") == true)
    }

    @Test func aLimitIsNeverExceeded() async throws {
        let time = VirtualTime(), start = time.unixTime()
        // All due at once.
        let world = try RenewalWorld(count: 50, days: [90], time: time, limit: 10)
        world.state.withLock { state in
            for index in state.certificates.indices {
                state.certificates[index].notBefore = start - 80 * Self.day
                state.certificates[index].notAfter = start + 10 * Self.day
            }
        }
        let scheduler = RenewalScheduler(work: world, limits: limits(atOnce: 3), time: time, random: { world.random($0) })
        let round = try await scheduler.round()
        #expect(round.results.count == 10)
        #expect(round.postponed.count == 40)
        #expect(round.postponed.allSatisfy { $0.until == start + RenewalWorld.limitSpan })
        try await world.run(until: start + 2 * Self.day)
        let state = world.state.withLock { $0 }
        #expect(state.ordersAboveLimit == 0)
        #expect(state.certificates.allSatisfy { $0.generation == 1 })
    }

    @Test func aFailureWaitsAndIsTriedMoreOftenNearTheEnd() {
        let middle: (Range<Int64>) -> Int64 = { ($0.lowerBound + $0.upperBound) / 2 }
        func wait(_ count: Int, left: Int64 = 30 * Self.day, retryAfter: Int64? = nil) -> Int64 {
            RenewalBackoff.wait(count: count, left: left, retryAfter: retryAfter, random: middle)
        }
        #expect((1...9).map { wait($0) } == [900, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 86_400, 86_400])
        #expect(wait(9, left: 80_000) == 10_000)
        #expect(wait(9, left: 60) == 900)
        #expect(wait(9, left: -5) == 86_400)
        #expect(wait(1, retryAfter: 7_200) == 7_200)
        #expect(wait(1, retryAfter: .max) == 7 * Self.day)
        #expect(wait(1, retryAfter: -1) == 900)
        #expect(wait(.max) == 86_400 && wait(.min) == 900)
    }

    @Test func theMomentIsChosenOnceAndAlwaysBeforeTheEnd() {
        let day = Self.day, timing = RenewalTiming(notBefore: 0, notAfter: 90 * day)
        #expect(timing.due(nil) == 60 * day && timing.latest == 75 * day)
        let information = RenewalInformation(start: 50 * day, end: 52 * day)
        let window = RenewalTiming.window(information, after: nil) { $0.lowerBound + 7 }
        #expect(window.moment == 50 * day + 7 && timing.due(window) == window.moment)
        // The same window keeps its moment, another one gets another.
        #expect(RenewalTiming.window(information, after: window) { _ in 0 } == window)
        let moved = RenewalTiming.window(RenewalInformation(start: 51 * day, end: 52 * day), after: window) { $0.upperBound - 1 }
        #expect(moved.moment == 52 * day - 1)
        // A lie is bounded; a window in the past is due now.
        let late = RenewalTiming.window(RenewalInformation(start: 89 * day, end: 400 * day), after: nil) { $0.upperBound - 1 }
        #expect(timing.due(late) == 75 * day)
        let past = RenewalTiming.window(RenewalInformation(start: -20, end: -10), after: nil) { $0.lowerBound }
        #expect(timing.due(past) == -20)
        for (retryAfter, seconds) in [(nil, 21_600), (0, 60), (-1, 60), (.max, 86_400), (7_200, 7_200)] as [(Int64?, Int64)] {
            #expect(RenewalTiming.nextLook(1_000, retryAfter: retryAfter) == 1_000 + seconds)
        }
        #expect(RenewalTiming.nextLook(0, afterFailures: 1) == 600 && RenewalTiming.nextLook(0, afterFailures: .max) == 86_400)
        // A certificate whose times make no sense does not trap.
        #expect(RenewalTiming(notBefore: .min, notAfter: .max).latest <= .max)
        #expect(RenewalTiming(notBefore: 5, notAfter: 4).latest == 5)
    }

    @Test func roomIsCountedOverASpan() {
        var room = OrderRoom(limit: 3, in: 100, times: [1, 50, 90], now: 120)
        #expect(room.orders == 1 && room.next == nil)
        room.take(120)
        #expect(room.orders == 0 && room.next == 150)
        let full = OrderRoom(limit: 2, in: 100, times: [50, 90, 110], now: 120)
        #expect(full.orders == 0 && full.next == 190)
        let never = OrderRoom(limit: 0, in: 100, times: [], now: 120)
        #expect(never.orders == 0 && never.next == nil)
    }

    /// A CA whose every window is in the past is not asked for certificates without end.
    @Test func aWindowThatIsAlwaysInThePastIsNoLoop() async throws {
        let time = VirtualTime(), start = time.unixTime()
        let world = try RenewalWorld(count: 1, days: [90], time: time)
        world.state.withLock { $0.isAlwaysDue = true }
        try await world.run(until: start + 4 * Self.day, pause: 60)
        let renewals = world.state.withLock { $0.attempts.values.first ?? [] }
        let waits = zip(renewals.dropFirst(), renewals).map { ($0 - $1) / 3_600 }
        #expect(waits.prefix(5) == [1, 2, 4, 8, 16] && waits.dropFirst(5).allSatisfy { $0 >= 24 }, "\(waits)")
    }

    /// What a clock that was a year ahead has left does not count once it is right again.
    @Test func aClockThatWasAheadLeavesNoWait() async throws {
        let time = VirtualTime(), start = time.unixTime(), year = 365 * Self.day
        let world = try RenewalWorld(count: 1, days: [90], time: time)
        let name = try #require(world.state.withLock { $0.certificates.first?.name })
        var record = RenewalRecord(name: name)
        record.serial = "0"
        record.nextLook = start + year
        record.pause = RenewalRecord.Pause(renewed: start + year, seconds: 3_600)
        record.note(
            RenewalRecord.Failures(
                directory: world.directory, count: 3, first: start + year, last: start + year, next: start + year + 3_600, reason: "down",
                isOfCA: true))
        world.state.withLock { [record] state in
            state.records[name] = record
            state.orders[world.directory] = [start + year]
            state.certificates[0].isRevoked = true
        }
        let round = try await RenewalScheduler(work: world, time: time, random: { world.random($0) }).round()
        #expect(round.results.count == 1 && round.postponed.isEmpty)
        #expect(OrderRoom(limit: 1, in: 100, times: [start + year], now: start).orders == 1)
        // A wait without end, as of a damaged file, is none.
        record.failures[0].next = .max
        record.failures[0].last = start
        record.forgetTheFuture(now: start)
        #expect(record.failures.isEmpty)
    }
}
