import ACME
import CertificateStore
import Issuance
import Synchronization
import TestSupport

/// A store of certificates and their CAs, years in seconds: what a scheduler decides about, without keys, files and
/// requests. Everything that happens is in `log`.
final class RenewalWorld: RenewalWork {
    struct Certificate {
        var name: CertificateName
        var days: Int64
        var generation = 0
        var notBefore: Int64
        var notAfter: Int64
        var isRevoked = false
        /// Revoked, but only its list says so.
        var isListed = false
        var isExpired = false
        /// Its deploy hook has not succeeded.
        var isUndeployed = false
        /// Its CA.
        var directory: ACMEURL?
    }

    /// A certificate that was not renewed in time.
    struct Expiry {
        var name: CertificateName
        var due: Int64
        var notAfter: Int64
    }

    struct State {
        var certificates: [Certificate] = []
        var records: [CertificateName: RenewalRecord] = [:]
        var orders: [ACMEURL: [Int64]] = [:]
        var log: [String] = []
        var expired: [Expiry] = []
        var ordersAboveLimit = 0
        var attempts: [CertificateName: [Int64]] = [:]
        /// Where only the hook was run again.
        var hookRuns: [ACMEURL] = []
        var looks = 0
        var listLooks = 0
        /// Deploy hooks fail.
        var isDeploymentBroken = false
        /// The CA's every window is in the past.
        var isAlwaysDue = false
        var random: UInt64 = 1
    }

    /// Unix seconds.
    typealias Span = Range<Int64>

    let time: VirtualTime
    let start: Int64
    let directory: ACMEURL
    let other: ACMEURL?
    let limit: Int
    static let limitSpan: Int64 = 3 * 3_600
    let outages: [Span]
    let failingLooks: [Span]
    let lyingLooks: [Span]
    let refusals: [Span]
    let state = Mutex(State())

    /// - Parameters:
    ///   - days: the certificates' lifetimes, in turn.
    ///   - outages: when the CA is down.
    ///   - failingLooks: when it cannot say when certificates should be renewed.
    ///   - lyingLooks: when it says nonsense.
    ///   - refusals: when it refuses every order until its new terms are agreed to.
    init(
        count: Int, days: [Int64], time: VirtualTime, limit: Int = 300, outages: [Span] = [], failingLooks: [Span] = [],
        lyingLooks: [Span] = [], refusals: [Span] = [], hasOther: Bool = false
    ) throws {
        self.time = time
        start = time.unixTime()
        directory = try ACMEURL("https://ca.example/dir")
        other = hasOther ? try ACMEURL("https://other.example/dir") : nil
        self.limit = limit
        self.outages = outages
        self.failingLooks = failingLooks
        self.lyingLooks = lyingLooks
        self.refusals = refusals
        for index in 0..<count {
            let life = days[index % days.count]
            // Not all of the same age.
            let age = life * 86_400 * Int64(index) / Int64(count) / 2
            let certificate = Certificate(
                name: try CertificateName("c\(index).example"), days: life, notBefore: start - age,
                notAfter: start - age + life * 86_400)
            state.withLock { $0.certificates.append(certificate) }
        }
    }

    /// Seeded, so that a failure can be seen again.
    func random(_ range: Range<Int64>) -> Int64 {
        guard !range.isEmpty else { return range.lowerBound }
        return state.withLock { state in
            state.random = state.random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return range.lowerBound + Int64((state.random >> 33) % UInt64(range.upperBound - range.lowerBound))
        }
    }

    func isDown(_ now: Int64) -> Bool { outages.contains { $0.contains(now) } }

    /// Notes what has expired, once.
    func noteExpired() {
        let now = time.unixTime()
        state.withLock { state in
            for index in state.certificates.indices {
                let certificate = state.certificates[index]
                guard certificate.notAfter < now, !certificate.isExpired else { continue }
                state.certificates[index].isExpired = true
                state.log.append("\(now) \(certificate.name) expired")
                let timing = RenewalTiming(notBefore: certificate.notBefore, notAfter: certificate.notAfter)
                state.expired.append(Expiry(name: certificate.name, due: timing.due(nil), notAfter: certificate.notAfter))
            }
        }
    }

    /// - Parameter isListed: whether only the revocation list says so.
    func revoke(isListed: Bool = false, _ isChosen: (Int) -> Bool) {
        state.withLock { state in
            for index in state.certificates.indices where isChosen(index) {
                if isListed { state.certificates[index].isListed = true } else { state.certificates[index].isRevoked = true }
            }
        }
    }

    // MARK: RenewalWork

    func candidates() async throws -> [RenewalCandidate] {
        let directories = [directory] + [other].compactMap(\.self)
        return state.withLock { state in
            state.certificates.map {
                RenewalCandidate(
                    name: $0.name, directories: directories, notBefore: $0.notBefore, notAfter: $0.notAfter, serial: "\($0.generation)",
                    reason: $0.isUndeployed ? .undeployed : nil, openAt: $0.isUndeployed ? $0.directory ?? directories[0] : nil)
            }
        }
    }

    func records(of names: [CertificateName]) async -> [RenewalRecord] {
        state.withLock { state in names.map { state.records[$0] ?? RenewalRecord(name: $0) } }
    }

    func keep(_ record: RenewalRecord) async { state.withLock { $0.records[record.name] = record } }

    private func certificate(_ name: CertificateName) -> Certificate? {
        state.withLock { $0.certificates.first { $0.name == name } }
    }

    func look(at candidate: RenewalCandidate, within limit: Duration) async -> RenewalLook {
        let now = time.unixTime()
        state.withLock { $0.looks += 1 }
        guard !isDown(now), !failingLooks.contains(where: { $0.contains(now) }), let certificate = certificate(candidate.name) else {
            return .failed
        }
        let life = certificate.notAfter - certificate.notBefore
        func window(_ start: Int64, _ end: Int64) -> RenewalLook {
            .window(RenewalInformation(start: start, end: end), retryAfter: 6 * 3_600)
        }
        if lyingLooks.contains(where: { $0.contains(now) }) {
            // After the end of validity, and with a Retry-After of a year.
            return .window(RenewalInformation(start: certificate.notAfter + 1, end: certificate.notAfter + life), retryAfter: 365 * 86_400)
        }
        if certificate.isRevoked || state.withLock({ $0.isAlwaysDue }) { return window(now - 7_200, now - 3_600) }
        return window(certificate.notBefore + life * 6 / 10, certificate.notBefore + life * 65 / 100)
    }

    func revocations(of candidates: [RenewalCandidate], seen: [RenewalRecord.SeenList?]) async throws -> [RevocationLook] {
        let now = time.unixTime()
        state.withLock { $0.listLooks += 1 }
        return candidates.map { candidate in
            guard !isDown(now), let certificate = certificate(candidate.name) else { return .failed(reason: "down") }
            let list = RenewalRecord.SeenList(thisUpdate: now - 3_600, nextUpdate: now + 7 * 86_400)
            return certificate.isListed ? .revoked(RenewalRecord.Revocation(date: now - 60), list) : .notRevoked(list)
        }
    }

    func room(at directory: ACMEURL, now: Int64) async -> CARoom? {
        let times = state.withLock { $0.orders[directory] ?? [] }
        return CARoom(
            CALimits(orders: .init(limit, seconds: Self.limitSpan)), OrderCount(directory: directory, times: times), now: now)
    }

    private func countOrder(at directory: ACMEURL, now: Int64) {
        state.withLock { state in
            state.orders[directory, default: []].removeAll { $0 < now - Self.limitSpan }
            state.orders[directory, default: []].append(now)
            if (state.orders[directory] ?? []).filter({ $0 > now - Self.limitSpan }).count > limit { state.ordersAboveLimit += 1 }
        }
    }

    func renew(_ candidate: RenewalCandidate, at directory: ACMEURL) async throws -> RenewalAttempt {
        let now = time.unixTime()
        let isFirst = directory == self.directory, isHookAlone = candidate.reason == .undeployed
        if !isHookAlone { countOrder(at: directory, now: now) }
        return state.withLock { state in
            state.attempts[candidate.name, default: []].append(now)
            func fail(_ isOfCA: Bool, _ reason: String) -> RenewalAttempt {
                state.log.append("\(now) \(candidate.name) failed: \(reason)")
                return .failed(RenewalFailure(isOfCA: isOfCA, reason: reason))
            }
            if isHookAlone {
                state.hookRuns.append(directory)
                if state.isDeploymentBroken { return .failed(RenewalFailure(isOfCA: false, isDeployment: true, reason: "hook")) }
                for index in state.certificates.indices where state.certificates[index].name == candidate.name {
                    state.certificates[index].isUndeployed = false
                }
                return .renewed
            }
            if isFirst, isDown(now) { return fail(true, "down") }
            if isFirst, refusals.contains(where: { $0.contains(now) }) { return fail(true, "new terms") }
            guard let index = state.certificates.firstIndex(where: { $0.name == candidate.name }) else { return .notTried }
            state.certificates[index].generation += 1
            state.certificates[index].notBefore = now - 3_600
            state.certificates[index].notAfter = now - 3_600 + state.certificates[index].days * 86_400
            state.certificates[index].isRevoked = false
            state.certificates[index].isListed = false
            state.certificates[index].isExpired = false
            state.certificates[index].directory = directory
            state.certificates[index].isUndeployed = state.isDeploymentBroken
            if state.isDeploymentBroken {
                return .failed(RenewalFailure(isOfCA: false, isDeployment: true, reason: "hook"))
            }
            state.log.append("\(now) \(candidate.name) renewed at \(directory.host)")
            return .renewed
        }
    }

    // MARK: Time

    /// Rounds until a moment, at most `step` seconds apart.
    /// - Parameter pause: the shortest time between two rounds, seconds.
    func run(
        until end: Int64, step: Int64 = RenewalScheduler.longestPause, pause: Int64 = 900, limits: RenewalScheduler.Limits = .init(),
        random: (@Sendable (Range<Int64>) -> Int64)? = nil
    ) async throws {
        let scheduler = RenewalScheduler(work: self, limits: limits, time: time, random: random ?? { [self] in self.random($0) })
        while time.unixTime() < end {
            let round = try await scheduler.round()
            let now = time.unixTime()
            let next = min(max(round.next, now + pause), now + step, end)
            try await time.sleep(for: .seconds(max(next - now, 1)))
            noteExpired()
        }
    }
}
