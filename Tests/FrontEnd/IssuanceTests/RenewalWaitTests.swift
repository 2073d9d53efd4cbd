import ACME
import CertificateStore
import Synchronization
import TestSupport
import Testing

@testable import Issuance

/// What holds up a renewal, and what does not: deploy hooks that fail, limits that are counted, CAs that are silent.
@Suite struct RenewalWaitTests {
    private static let day: Int64 = 86_400

    /// As likely as any, and none of the waits varies.
    private static let middle: @Sendable (Range<Int64>) -> Int64 = { ($0.lowerBound + $0.upperBound) / 2 }

    /// A world of one certificate that is due, valid for another ten days.
    private func world(hasOther: Bool = false, outages: [Range<Int64>] = []) throws -> (RenewalWorld, VirtualTime) {
        let time = VirtualTime(), now = time.unixTime()
        let world = try RenewalWorld(count: 1, days: [90], time: time, outages: outages, hasOther: hasOther)
        world.state.withLock { state in
            state.certificates[0].notBefore = now - 80 * Self.day
            state.certificates[0].notAfter = now + 10 * Self.day
        }
        return (world, time)
    }

    private func record(_ world: RenewalWorld) throws -> RenewalRecord {
        try #require(world.state.withLock { $0.records.values.first })
    }

    // MARK: Deploy hooks

    /// The servers wait for the hook, not for the CA: its waits are short, and stay so with the new certificate.
    @Test func aDeployHookThatFailsIsTriedAgainSoon() async throws {
        let (world, time) = try world()
        world.state.withLock { $0.isDeploymentBroken = true }
        try await world.run(until: time.unixTime() + 6 * 3_600, step: 60, pause: 1, random: Self.middle)
        let moments = try #require(world.state.withLock { $0.attempts.values.first })
        let waits = zip(moments.dropFirst(), moments).map { ($0 - $1) / 60 }
        #expect(waits == [5, 10, 20, 40, 60, 60, 60, 60], "\(waits)")
        #expect(try record(world).failures.map(\.isDeployment) == [true])
        #expect(world.state.withLock { $0.certificates[0].generation } == 1)
        world.state.withLock { $0.isDeploymentBroken = false }
        try await world.run(until: time.unixTime() + 2 * 3_600, step: 60, pause: 1, random: Self.middle)
        #expect(world.state.withLock { !$0.certificates[0].isUndeployed && $0.certificates[0].generation == 1 })
        #expect(try record(world).failures.isEmpty)
    }

    /// One server's hook must not let the certificate of all expire.
    @Test func aCertificateWhoseHookKeepsFailingIsRenewedWhenItIsDue() async throws {
        let (world, time) = try world(), start = time.unixTime()
        world.state.withLock { $0.isDeploymentBroken = true }
        try await world.run(until: start + 50 * Self.day)
        #expect(world.state.withLock { $0.certificates[0].generation } == 1)
        try await world.run(until: start + 70 * Self.day)
        #expect(world.state.withLock { $0.certificates[0].generation } == 2)
        #expect(world.state.withLock { $0.expired.isEmpty })
    }

    @Test func aRevokedCertificateIsReplacedWhoeversHookFails() async throws {
        let (world, time) = try world()
        world.state.withLock { $0.isDeploymentBroken = true }
        try await world.run(until: time.unixTime() + 2 * Self.day)
        #expect(world.state.withLock { $0.certificates[0].generation } == 1)
        world.revoke(isListed: true) { _ in true }
        try await world.run(until: time.unixTime() + 2 * Self.day)
        #expect(world.state.withLock { $0.certificates[0].generation } == 2)
        // A CA that revokes them all gets no order after another, and one whose windows are always in the past neither.
        for _ in 0..<48 {
            world.revoke(isListed: true) { _ in true }
            try await world.run(until: time.unixTime() + 3_600, pause: 60)
        }
        #expect(world.state.withLock { $0.certificates[0].generation } <= 8)
        let (past, clock) = try self.world()
        past.state.withLock { ($0.isDeploymentBroken, $0.isAlwaysDue) = (true, true) }
        try await past.run(until: clock.unixTime() + 2 * Self.day, pause: 60)
        #expect(past.state.withLock { $0.certificates[0].generation } <= 7)
    }

    /// The certificate is there: its CA is asked for nothing, and no other one for another certificate.
    @Test func theHookOfACertificateOfTheSecondCAIsRunForThatOne() async throws {
        let start = VirtualTime().unixTime()
        let (world, time) = try world(hasOther: true, outages: [start..<start + Self.day])
        let other = try #require(world.other)
        world.state.withLock { $0.isDeploymentBroken = true }
        try await world.run(until: start + 2 * Self.day)
        let state = world.state.withLock { $0 }
        #expect(state.certificates[0].generation == 1 && state.certificates[0].directory == other)
        #expect(state.hookRuns.count > 20 && state.hookRuns.allSatisfy { $0 == other })
        // When it is due again, the first CA is asked first.
        try await world.run(until: time.unixTime() + 70 * Self.day)
        #expect(world.state.withLock { $0.certificates[0].generation == 2 && $0.certificates[0].directory == world.directory })
    }

    // MARK: Limits

    /// CAs with limits that are full, and what was tried where.
    private final class FullCAs: RenewalWork {
        let candidate: RenewalCandidate
        let record: RenewalRecord
        /// How many more seconds each CA has no room; one that is not named has no limit.
        let waits: [ACMEURL: Int64]
        let limit: CARoom.Limit
        let tried = Mutex<[ACMEURL]>([])

        init(
            _ candidate: RenewalCandidate, record: RenewalRecord? = nil, waits: [ACMEURL: Int64],
            limit: CARoom.Limit = .identicalCertificates
        ) {
            (self.candidate, self.waits, self.limit) = (candidate, waits, limit)
            var own = record ?? RenewalRecord(name: candidate.name)
            own.serial = candidate.serial
            self.record = own
        }

        func candidates() async throws -> [RenewalCandidate] { [candidate] }
        func records(of names: [CertificateName]) async -> [RenewalRecord] { [record] }
        func keep(_ record: RenewalRecord) async {}
        func look(at candidate: RenewalCandidate, within limit: Duration) async -> RenewalLook { .none }
        func revocations(of candidates: [RenewalCandidate], seen: [RenewalRecord.SeenList?]) async throws -> [RevocationLook] {
            candidates.map { _ in .postponed }
        }
        func room(at directory: ACMEURL, now: Int64) async -> CARoom? {
            guard let wait = waits[directory] else { return nil }
            let span = 7 * RenewalWaitTests.day, rate = CALimits.Rate(1, seconds: span), moment = now - span + wait
            var count = OrderCount(directory: directory), limits = CALimits()
            switch limit {
            case .orders:
                count.add(moment, forgettingBefore: 0)
                limits.orders = rate
            case .identicalCertificates:
                count.add(certificateFor: candidate.identifiers, moment, forgettingBefore: 0)
                limits.identicalCertificates = rate
            case .failedValidations:
                for name in candidate.identifiers { count.add(failureOf: name, moment, forgettingBefore: 0) }
                limits.failedValidations = rate
            }
            return CARoom(limits, count, now: now)
        }
        func renew(_ candidate: RenewalCandidate, at directory: ACMEURL) async throws -> RenewalAttempt {
            tried.withLock { $0.append(directory) }
            return .renewed
        }
    }

    private static func candidate(
        _ time: VirtualTime, daysLeft: Int64, directories: [ACMEURL], reason: RenewalCandidate.Reason? = nil, openAt: ACMEURL? = nil
    ) throws -> RenewalCandidate {
        let now = time.unixTime()
        return RenewalCandidate(
            name: try CertificateName("www.example.org"), directories: directories, notBefore: now - 90 * day,
            notAfter: now + daysLeft * day, serial: "1", identifiers: [try Identifier(argument: "www.example.org")], reason: reason,
            openAt: openAt)
    }

    private func round(_ work: FullCAs, _ time: VirtualTime) async throws -> RenewalScheduler.Round {
        try await RenewalScheduler(work: work, time: time, random: Self.middle).round()
    }

    @Test func aFullCAIsReplacedByTheOtherOne() async throws {
        let time = VirtualTime(), own = try ACMEURL("https://ca.example/dir"), other = try ACMEURL("https://other.example/dir")
        let candidate = try Self.candidate(time, daysLeft: 20, directories: [own, other])
        let work = FullCAs(candidate, waits: [own: 2 * Self.day])
        #expect(try await round(work, time).postponed.isEmpty)
        #expect(work.tried.withLock { $0 } == [other])
        // A name that could not be validated would fail there too.
        let unproven = FullCAs(candidate, waits: [own: 2 * Self.day], limit: .failedValidations)
        #expect(try await round(unproven, time).postponed.count == 1 && unproven.tried.withLock { $0.isEmpty })
        // Both are full: it waits for the first one.
        let full = FullCAs(candidate, waits: [own: 2 * Self.day, other: 3 * Self.day]), waiting = try await round(full, time)
        #expect(full.tried.withLock { $0.isEmpty })
        #expect(waiting.postponed.map(\.until) == [time.unixTime() + 2 * Self.day])
    }

    /// What is counted is a guess. No certificate expires for it.
    @Test(arguments: [CARoom.Limit.identicalCertificates, .orders]) func noCertificateExpiresForALimitThatIsCounted(
        limit: CARoom.Limit
    ) async throws {
        let time = VirtualTime(), own = try ACMEURL("https://ca.example/dir")
        for (daysLeft, wait, isTried) in [
            (1, 6 * Self.day, true), (6, 6 * Self.day, true), (-1, 6 * Self.day, true), (10, 6 * Self.day, false), (1, 3_600, false),
        ] as [(Int64, Int64, Bool)] {
            let work = FullCAs(try Self.candidate(time, daysLeft: daysLeft, directories: [own]), waits: [own: wait], limit: limit)
            let round = try await round(work, time)
            #expect(work.tried.withLock { $0 } == (isTried ? [own] : []), "\(daysLeft) days, \(wait) s")
            #expect(round.postponed.isEmpty == isTried)
        }
        var revoked = RenewalRecord(name: try CertificateName("www.example.org"))
        revoked.revocation = RenewalRecord.Revocation(date: time.unixTime() - 60)
        let work = FullCAs(
            try Self.candidate(time, daysLeft: 80, directories: [own]), record: revoked, waits: [own: 6 * Self.day], limit: limit)
        _ = try await round(work, time)
        #expect(work.tried.withLock { $0 } == [own])
    }

    @Test func whatOrdersNothingNewNeedsNoRoom() async throws {
        let time = VirtualTime(), own = try ACMEURL("https://ca.example/dir")
        for reason in [RenewalCandidate.Reason.interrupted, .undeployed] {
            for (openAt, isTried) in [(own, true), (nil, false)] as [(ACMEURL?, Bool)] {
                let candidate = try Self.candidate(time, daysLeft: 80, directories: [own], reason: reason, openAt: openAt)
                var record = RenewalRecord(name: candidate.name)
                record.window = .init(start: .max - 2, end: .max, moment: .max - 1)
                record.nextLook = time.unixTime() + 3_600
                let work = FullCAs(candidate, record: record, waits: [own: 2 * Self.day])
                let round = try await round(work, time)
                #expect(work.tried.withLock { $0 } == (isTried ? [own] : []), "\(reason)")
                #expect(round.postponed.isEmpty == isTried)
            }
        }
    }

    // MARK: Silent CAs

    /// A CA that is asked about many certificates.
    private final class SlowCA: RenewalWork {
        let count: Int
        let isSilent: Bool
        let time: VirtualTime
        let directory: ACMEURL
        let state = Mutex<(looks: Int, limits: [Duration], records: [CertificateName: RenewalRecord])>((0, [], [:]))

        init(_ count: Int, isSilent: Bool, _ time: VirtualTime) throws {
            (self.count, self.isSilent, self.time) = (count, isSilent, time)
            directory = try ACMEURL("https://ca.example/dir")
        }

        func candidates() async throws -> [RenewalCandidate] {
            let now = time.unixTime(), day = RenewalWaitTests.day
            return try (0..<count).map {
                RenewalCandidate(
                    name: try CertificateName("c\($0).example"), directories: [directory], notBefore: now, notAfter: now + 90 * day,
                    serial: "1")
            }
        }
        func records(of names: [CertificateName]) async -> [RenewalRecord] {
            state.withLock { state in names.map { state.records[$0] ?? RenewalRecord(name: $0) } }
        }
        func keep(_ record: RenewalRecord) async { state.withLock { $0.records[record.name] = record } }
        func look(at candidate: RenewalCandidate, within limit: Duration) async -> RenewalLook {
            state.withLock { state in
                state.looks += 1
                state.limits.append(limit)
            }
            try? await time.sleep(for: isSilent ? .seconds(5) : .seconds(10))
            return isSilent ? .unreachable : .none
        }
        func revocations(of candidates: [RenewalCandidate], seen: [RenewalRecord.SeenList?]) async throws -> [RevocationLook] {
            candidates.map { _ in .postponed }
        }
        func room(at directory: ACMEURL, now: Int64) async -> CARoom? { nil }
        func renew(_ candidate: RenewalCandidate, at directory: ACMEURL) async throws -> RenewalAttempt { .renewed }
    }

    /// Nobody waits for a CA that has not answered the first questions.
    @Test func aSilentCAIsAskedOnceInARound() async throws {
        let time = VirtualTime(), ca = try SlowCA(100, isSilent: true, time)
        let round = try await RenewalScheduler(work: ca, time: time, random: Self.middle).round()
        let state = ca.state.withLock { $0 }
        #expect(state.looks <= RenewalScheduler.Limits().looksAtOnce, "\(state.looks)")
        #expect(state.records.count == 100 && state.records.values.allSatisfy { $0.failedLooks == 1 && $0.nextLook != nil })
        #expect(round.results.isEmpty && round.next <= time.unixTime() + 600)
    }

    /// A slow CA is not asked about all in one round, but about all in several.
    @Test func aSlowCAIsAskedForAWhile() async throws {
        let time = VirtualTime(), ca = try SlowCA(60, isSilent: false, time)
        let scheduler = RenewalScheduler(work: ca, time: time, random: Self.middle)
        _ = try await scheduler.round()
        let first = ca.state.withLock { $0 }
        #expect(first.looks < 20 && first.limits.allSatisfy { $0 > .zero && $0 <= .seconds(45) }, "\(first.looks)")
        #expect(first.records.values.filter { $0.nextLook != nil }.count == first.looks, "the others are not said to have failed")
        for _ in 0..<20 { _ = try await scheduler.round() }
        #expect(ca.state.withLock { $0.records.values.filter { $0.nextLook != nil }.count } == 60)
    }
}
