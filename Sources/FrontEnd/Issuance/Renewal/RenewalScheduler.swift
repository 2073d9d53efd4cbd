import ACME
import ACMEClient
import CertificateStore

/// Decides which certificates are renewed now, at which CA, and when to look again. `renew --all` runs one round, a
/// long-running process one after another.
///
/// All that it knows of the past is in the records: a round in another process goes on where this one stopped.
public struct RenewalScheduler: Sendable {
    public struct Limits: Sendable {
        /// How many certificates are renewed at once.
        public var atOnce = 4
        /// How many CAs are asked at once when certificates should be renewed.
        public var looksAtOnce = 8
        /// Failures at a certificate's own CA before another one is tried.
        public var failuresBeforeOther = 2

        public init() {}
    }

    /// What a round did.
    public struct Round: Sendable {
        public struct Result: Sendable {
            public var name: CertificateName
            public var directory: ACMEURL
            public var attempt: RenewalAttempt
        }

        public var results: [Result] = []
        /// Due, but not tried: after a failure, or because the CA accepts no more orders yet.
        public var postponed: [Postponed] = []
        /// When the next round has something to do, Unix seconds.
        public var next: Int64
    }

    /// A certificate that is due but has to wait.
    public struct Postponed: Sendable {
        public enum Reason: Sendable {
            /// Earlier attempts failed.
            case failures(RenewalRecord.Failures)
            /// The CA's limit of orders.
            case limit(directory: ACMEURL)
        }

        public var name: CertificateName
        /// Unix seconds.
        public var until: Int64
        public var reason: Reason
    }

    /// Seconds for which a certificate is left alone after its renewal; doubled up to a day while renewals follow each other.
    static let shortestPause: Int64 = 3_600
    static let longestQuiet: Int64 = 86_400
    /// Seconds after which the store is read again in any case: others may have changed it.
    public static let longestPause: Int64 = 3_600

    private let work: any RenewalWork
    private let limits: Limits
    private let time: any Timekeeping
    private let random: @Sendable (Range<Int64>) -> Int64

    /// - Parameter random: a number of a range, every one as likely as the others.
    public init(
        work: any RenewalWork, limits: Limits = Limits(), time: any Timekeeping = SystemTime(),
        random: @escaping @Sendable (Range<Int64>) -> Int64 = { $0.isEmpty ? $0.lowerBound : Int64.random(in: $0) }
    ) {
        self.work = work
        self.limits = limits
        self.time = time
        self.random = random
    }

    /// A certificate with its record.
    private struct Entry: Sendable {
        var candidate: RenewalCandidate
        var record: RenewalRecord
        var timing: RenewalTiming { RenewalTiming(notBefore: candidate.notBefore, notAfter: candidate.notAfter) }
        var due: Int64 { candidate.reason != nil || candidate.serial == nil ? 0 : max(timing.due(record.window), quietUntil) }
        /// A certificate that was just renewed is left alone for a while, whatever the CA or the clock says.
        var quietUntil: Int64 { record.pause.map { $0.renewed &+ $0.seconds } ?? .min }
        var ownDirectory: ACMEURL? { candidate.directories.first }
    }

    /// Asks the CAs that want to be asked, and renews what is due.
    /// - Throws: what `candidates` throws; `CancellationError`. A certificate's failure is a result.
    public func round() async throws -> Round {
        var entries: [Entry] = []
        let candidates = try await work.candidates()
        for (candidate, var record) in zip(candidates, await work.records(of: candidates.map(\.name))) {
            if record.serial != candidate.serial {
                // Another certificate: the window and the failures were of the one before.
                let pause = record.pause
                record = RenewalRecord(name: candidate.name)
                record.serial = candidate.serial
                record.pause = pause
            }
            record.forgetTheFuture(now: time.unixTime())
            entries.append(Entry(candidate: candidate, record: record))
        }
        try await look(&entries)
        try Task.checkCancellation()
        let now = time.unixTime()
        var round = Round(next: now &+ Self.longestPause)
        let due = entries.filter { $0.due <= now }.sorted { $0.candidate.notAfter < $1.candidate.notAfter }
        for entry in entries where entry.due > now {
            round.next = min(round.next, entry.due, entry.record.nextLook ?? .max)
        }
        try await renew(due, &round)
        round.next = max(round.next, time.unixTime() &+ 1)
        return round
    }

    // MARK: Looking

    private func look(_ entries: inout [Entry]) async throws {
        let now = time.unixTime()
        let places = entries.indices.filter { index in
            let entry = entries[index]
            return entry.candidate.serial != nil && entry.candidate.reason == nil && (entry.record.nextLook ?? .min) <= now
                && entry.quietUntil <= now
        }
        let looks = try await bounded(limits.looksAtOnce, places.map { entries[$0].candidate }) { await work.look(at: $0) }
        // What a cancelled look says counts for nothing.
        try Task.checkCancellation()
        for (index, look) in zip(places, looks) {
            var record = entries[index].record
            let now = time.unixTime()
            switch look {
            case .window(let information, let retryAfter):
                record.window = RenewalTiming.window(information, after: record.window, random: random)
                record.nextLook = RenewalTiming.nextLook(now, retryAfter: retryAfter)
                record.failedLooks = 0
            case .none:
                record.window = nil
                record.nextLook = now &+ RenewalTiming.lookRange.upperBound
                record.failedLooks = 0
            case .failed:
                // What the CA said before still counts, within the bounds of the timing.
                record.failedLooks = min(record.failedLooks, 1_000) + 1
                record.nextLook = RenewalTiming.nextLook(now, afterFailures: record.failedLooks)
            }
            guard record != entries[index].record else { continue }
            entries[index].record = record
            await work.keep(record)
        }
    }

    // MARK: Renewing

    private func renew(_ due: [Entry], _ round: inout Round) async throws {
        var chosen: [(entry: Entry, directory: ACMEURL)] = []
        var room: [ACMEURL: OrderRoom?] = [:]
        let now = time.unixTime()
        for entry in due {
            let choice = choose(entry, now: now)
            guard let directory = choice.directory else {
                if let failures = choice.waiting {
                    round.postponed.append(Postponed(name: entry.candidate.name, until: failures.next, reason: .failures(failures)))
                    round.next = min(round.next, failures.next)
                }
                continue
            }
            var left: OrderRoom?
            if let known = room[directory] { left = known } else { left = await work.room(at: directory, now: now) }
            if var some = left {
                guard some.orders > 0 else {
                    room[directory] = some
                    let next = some.next ?? now &+ Self.longestPause
                    round.postponed.append(Postponed(name: entry.candidate.name, until: next, reason: .limit(directory: directory)))
                    round.next = min(round.next, next)
                    continue
                }
                some.take(now)
                left = some
            }
            room[directory] = left
            chosen.append((entry, directory))
        }
        let attempts = try await bounded(limits.atOnce, chosen) { entry, directory in try await attempt(entry, at: directory) }
        for ((entry, directory), attempt) in zip(chosen, attempts) {
            round.results.append(Round.Result(name: entry.candidate.name, directory: directory, attempt: attempt.0))
            round.next = min(round.next, attempt.next)
        }
    }

    /// The CA for an attempt now; or the failures that the certificate has to wait for.
    private func choose(_ entry: Entry, now: Int64) -> (directory: ACMEURL?, waiting: RenewalRecord.Failures?) {
        // A person does not wait.
        if entry.candidate.reason == .forced { return (entry.ownDirectory, nil) }
        var waiting: RenewalRecord.Failures?
        for (index, directory) in entry.candidate.directories.enumerated() {
            let failures = entry.record.failures(at: directory)
            if index > 0 {
                // Another CA only after its own one has failed more than once, by its own fault.
                guard let own = entry.ownDirectory, let earlier = entry.record.failures(at: own), earlier.isOfCA,
                    earlier.count >= limits.failuresBeforeOther
                else { break }
            }
            guard let failures, failures.next > now else { return (directory, nil) }
            if waiting.map({ failures.next < $0.next }) ?? true { waiting = failures }
        }
        return (nil, waiting)
    }

    /// - Returns: also when there is something to do for it again.
    private func attempt(_ entry: Entry, at directory: ACMEURL) async throws -> (RenewalAttempt, next: Int64) {
        let attempt = try await work.renew(entry.candidate, at: directory)
        let now = time.unixTime()
        switch attempt {
        case .renewed:
            // The new certificate's record has nothing of the old one but the pause, which grows while renewals follow each
            // other: a CA whose every window is in the past would otherwise be asked for certificates without end.
            var record = RenewalRecord(name: entry.candidate.name)
            let earlier = entry.record.pause.flatMap { now &- $0.renewed < 2 * $0.seconds ? $0.seconds : nil }
            record.pause = RenewalRecord.Pause(renewed: now, seconds: min(earlier.map { 2 * $0 } ?? Self.shortestPause, Self.longestQuiet))
            await work.keep(record)
            return (attempt, now &+ Self.shortestPause)
        case .notTried: return (attempt, now &+ RenewalBackoff.first)
        case .failed(let failure):
            var record = entry.record
            let earlier = record.failures(at: directory)
            let count = min(earlier?.count ?? 0, 1_000) + 1
            let wait = RenewalBackoff.wait(
                count: count, left: entry.candidate.notAfter &- now, retryAfter: failure.retryAfter, random: random)
            record.note(
                RenewalRecord.Failures(
                    directory: directory, count: count, first: earlier?.first ?? now, last: now, next: now &+ wait,
                    reason: failure.reason, isOfCA: failure.isOfCA))
            await work.keep(record)
            return (attempt, now &+ wait)
        }
    }

    /// Runs `body` for all elements, at most `count` at once; the results are in the elements' order.
    private func bounded<Element: Sendable, Result: Sendable>(
        _ count: Int, _ elements: [Element], _ body: @escaping @Sendable (Element) async throws -> Result
    ) async throws -> [Result] {
        try await withThrowingTaskGroup(of: (Int, Result).self) { group in
            var results = [Result?](repeating: nil, count: elements.count)
            var rest = elements.enumerated().makeIterator()
            func startNext() {
                guard let (index, element) = rest.next() else { return }
                group.addTask { (index, try await body(element)) }
            }
            for _ in 0..<max(count, 1) { startNext() }
            while let (index, result) = try await group.next() {
                results[index] = result
                startNext()
            }
            return results.compactMap(\.self)
        }
    }
}
