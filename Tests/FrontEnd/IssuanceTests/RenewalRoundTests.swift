import ACME
import CertificateStore
import Synchronization
import TestSupport
import Testing

@testable import Issuance

/// One round of the scheduler: what is revoked, what waits for what.
@Suite struct RenewalRoundTests {
    private static let day: Int64 = 86_400

    private func world(_ count: Int = 1) throws -> (RenewalWorld, RenewalScheduler, VirtualTime) {
        let time = VirtualTime(), world = try RenewalWorld(count: count, days: [90], time: time)
        return (world, RenewalScheduler(work: world, time: time, random: { ($0.lowerBound + $0.upperBound) / 2 }), time)
    }

    private func record(_ world: RenewalWorld, _ index: Int = 0) throws -> RenewalRecord {
        let name = try CertificateName("c\(index).example")
        return try #require(world.state.withLock { $0.records[name] })
    }

    @Test func whatTheListHasIsReplacedAtOnceAndWaitsAfterAFailure() async throws {
        let (world, scheduler, time) = try world(2)
        #expect(try await scheduler.round().results.isEmpty)
        world.revoke(isListed: true) { $0 == 1 }
        // The list counts for seven days: it is looked at again after one.
        try await time.sleep(for: .seconds(Self.day - 60))
        #expect(try await scheduler.round().results.isEmpty)
        try await time.sleep(for: .seconds(60))
        let looks = world.state.withLock { $0.listLooks }
        let round = try await scheduler.round()
        #expect(round.results.map(\.name.rawValue) == ["c1.example"])
        #expect(world.state.withLock { $0.listLooks } == looks + 1, "asked once for both")
        #expect(try record(world, 1).revocation == nil && record(world, 1).pause != nil)

        // What cannot be replaced stays revoked, whatever the list's server does, and has its waits.
        world.revoke(isListed: true) { $0 == 0 }
        let down = try RenewalWorld(
            count: 1, days: [90], time: time, refusals: [time.unixTime()..<time.unixTime() + Self.day])
        down.revoke(isListed: true) { _ in true }
        let other = RenewalScheduler(work: down, time: time, random: { ($0.lowerBound + $0.upperBound) / 2 })
        #expect(try await other.round().results.count == 1)
        #expect(try record(down).revocation != nil)
        let waiting = try await other.round()
        #expect(waiting.results.isEmpty && waiting.postponed.count == 1 && waiting.next == time.unixTime() + 900)
        try await down.run(until: time.unixTime() + 2 * Self.day)
        #expect(down.state.withLock { $0.certificates[0].generation } == 1)
        #expect(down.state.withLock { $0.attempts.values.first?.count ?? 0 } < 12)
    }

    /// A list that cannot be had is no reason to renew, and is asked for less and less.
    @Test func aListThatCannotBeHadRenewsNothing() async throws {
        let time = VirtualTime(), start = time.unixTime()
        let world = try RenewalWorld(count: 1, days: [90], time: time, outages: [start..<start + 5 * Self.day])
        try await world.run(until: start + 5 * Self.day - 1)
        #expect(world.state.withLock { $0.attempts.isEmpty })
        let failures = try #require(try record(world).listFailures)
        #expect(failures.first == start && failures.count < 16 && failures.reason == "down")
        try await world.run(until: start + 7 * Self.day)
        #expect(try record(world).listFailures == nil)
    }

    /// A CA that revokes each new certificate at once gets no order after another.
    @Test func aCAThatRevokesEverythingIsNoLoop() async throws {
        let (world, _, time) = try world()
        for _ in 0..<48 {
            world.revoke(isListed: true) { _ in true }
            try await world.run(until: time.unixTime() + 3_600, pause: 60)
        }
        #expect(world.state.withLock { $0.certificates[0].generation } <= 6)
    }

    // MARK: The CA's limits

    @Test func theSameNamesAreNotOrderedMoreOftenThanTheCAAllows() throws {
        let now: Int64 = 1_000_000, directory = try ACMEURL("https://ca.example/dir")
        let names = try ["b.example", "a.example"].map { try Identifier(argument: $0) }
        var count = OrderCount(directory: directory)
        for moment in [10, 20, 30] as [Int64] { count.add(certificateFor: names.reversed(), now - moment, forgettingBefore: 0) }
        count.add(certificateFor: [names[0]], now - 5, forgettingBefore: 0)
        let limits = CALimits(identicalCertificates: .init(4, seconds: 100))
        var room = CARoom(limits, count, now: now)
        #expect(room.take(names, now: now) == nil)
        #expect(room.take(names, now: now) == CARoom.Full(limit: .identicalCertificates, until: now + 70))
        // Other names have their own.
        for _ in 0..<3 { #expect(room.take([names[0]], now: now) == nil) }
        #expect(room.take([names[0]], now: now)?.limit == .identicalCertificates)
        #expect(room.take([], now: now) == nil)
    }

    @Test func aNameThatFailedTooOftenWaitsWhateverCertificateItIsIn() throws {
        let now: Int64 = 1_000_000, directory = try ACMEURL("https://ca.example/dir")
        let names = try ["a.example", "b.example"].map { try Identifier(argument: $0) }
        var count = OrderCount(directory: directory)
        for moment in [50, 40, 30] as [Int64] { count.add(failureOf: names[0], now - moment, forgettingBefore: 0) }
        count.add(failureOf: names[1], now - 1, forgettingBefore: 0)
        var room = CARoom(CALimits(failedValidations: .init(3, seconds: 100)), count, now: now)
        #expect(room.take(names, now: now) == CARoom.Full(limit: .failedValidations, until: now + 50))
        #expect(room.take([names[1]], now: now) == nil)
        var later = CARoom(CALimits(failedValidations: .init(3, seconds: 100)), count, now: now + 50)
        #expect(later.take(names, now: now + 50) == nil)
    }

    // MARK: Slow CAs

    /// The certificates of a CA that answers wait for no other.
    @Test func aSlowCAHoldsUpNoOther() async throws {
        let work = try TwoCAs()
        let scheduler = RenewalScheduler(work: work, time: VirtualTime(), random: { $0.lowerBound })
        let round = try await scheduler.round()
        #expect(round.results.count == 2)
        #expect(work.log.withLock { $0 } == ["renewed quick.example", "looked slow.example", "renewed slow.example"])
    }

    /// Two CAs with a certificate each that is due. One is not done with its answer before the other's is renewed.
    private final class TwoCAs: RenewalWork {
        let log = Mutex<[String]>([])
        private let directories: [ACMEURL]

        init() throws { directories = try ["slow", "quick"].map { try ACMEURL("https://\($0).example/dir") } }

        func candidates() async throws -> [RenewalCandidate] {
            try directories.map {
                RenewalCandidate(name: try CertificateName($0.host), directories: [$0], notBefore: 0, notAfter: 100, serial: "1")
            }
        }
        func records(of names: [CertificateName]) async -> [RenewalRecord] { names.map { RenewalRecord(name: $0) } }
        func keep(_ record: RenewalRecord) async {}
        func look(at candidate: RenewalCandidate, within limit: Duration) async -> RenewalLook {
            guard candidate.name.rawValue == "slow.example" else { return .none }
            for _ in 0..<2_000 where log.withLock({ $0.isEmpty }) { try? await Task.sleep(for: .milliseconds(5)) }
            log.withLock { $0.append("looked slow.example") }
            return .none
        }
        func revocations(of candidates: [RenewalCandidate], seen: [RenewalRecord.SeenList?]) async throws -> [RevocationLook] {
            candidates.map { _ in .none }
        }
        func room(at directory: ACMEURL, now: Int64) async -> CARoom? { nil }
        func renew(_ candidate: RenewalCandidate, at directory: ACMEURL) async throws -> RenewalAttempt {
            log.withLock { $0.append("renewed \(directory.host)") }
            return .renewed
        }
    }
}
