import ACME
import ACMEClient
import CertificateStore
import Synchronization

/// Decides which certificates are renewed now, at which CA, and when to look again. `renew --all` runs one round, a
/// long-running process one after another.
///
/// All that it knows of the past is in the records: a round in another process goes on where this one stopped.
public struct RenewalScheduler: Sendable {
    public struct Limits: Sendable {
        /// How many certificates are renewed at once.
        public var atOnce = 4
        /// How many questions at once a CA is asked about when certificates should be renewed.
        public var looksAtOnce = 8
        /// Failures at a certificate's own CA before another one is tried.
        public var failuresBeforeOther = 2
        /// How long a CA has in a round to say when its certificates should be renewed.
        public var looksPatience: Duration = .seconds(45)

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
            /// A limit of the CA.
            case limit(CARoom.Limit, directory: ACMEURL)
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
        var due: Int64 {
            guard candidate.serial != nil, candidate.reason == nil || candidate.reason == .revokedByCA else { return 0 }
            return max(candidate.reason == nil ? timing.due(record.window) : .min, quietUntil)
        }
        /// A certificate that was just renewed is left alone for a while, whatever the CA or the clock says.
        var quietUntil: Int64 { record.pause.map { $0.renewed &+ $0.seconds } ?? .min }
        var ownDirectory: ACMEURL? { candidate.directories.first }
        /// Whether its CA is asked about it: not if it is renewed anyway.
        var isAskedAbout: Bool { candidate.serial != nil && (candidate.reason == nil || candidate.reason == .undeployed) }
        /// Whether a failed deploy hook does not hold up its replacement.
        var isUseless: Bool { candidate.reason == .revokedByCA || candidate.reason == .keyLost }

        /// Decides what is done after the CA has been asked. A certificate whose deploy hook keeps failing is replaced as any
        /// other: its hook is one server's, and another one's may succeed.
        mutating func decide(_ now: Int64) {
            guard candidate.reason == nil || candidate.reason == .undeployed else { return }
            if record.revocation != nil, candidate.reason == nil || quietUntil <= now {
                candidate.reason = .revokedByCA
                candidate.openAt = nil
            } else if candidate.reason == .undeployed, max(timing.due(record.window), quietUntil) <= now {
                candidate.reason = nil
                candidate.openAt = nil
            }
        }
    }

    /// Asks the CAs that want to be asked, and renews what is due. Each CA's certificates wait for its own answers only: one
    /// that is slow holds up no other's.
    /// - Throws: what `candidates` throws; `CancellationError`. A certificate's failure is a result.
    public func round() async throws -> Round {
        let entries = try await entries()
        var places: [ACMEURL?: Int] = [:], parts: [[Entry]] = []
        for entry in entries {
            if let place = places[entry.ownDirectory] {
                parts[place].append(entry)
            } else {
                places[entry.ownDirectory] = parts.count
                parts.append([entry])
            }
        }
        var round = Round(next: time.unixTime() &+ Self.longestPause)
        let slots = Gate(limit: limits.atOnce), rooms = Rooms(work)
        for part in try await bounded(parts.count, parts, { try await self.round($0, slots, rooms) }) {
            round.results += part.results
            round.postponed += part.postponed
            round.next = min(round.next, part.next)
        }
        round.next = max(round.next, time.unixTime() &+ 1)
        return round
    }

    private func entries() async throws -> [Entry] {
        var entries: [Entry] = []
        let candidates = try await work.candidates()
        for (candidate, var record) in zip(candidates, await work.records(of: candidates.map(\.name))) {
            if record.serial != candidate.serial {
                // Another certificate: all was of the one before. But its own deploy hook may have failed.
                let earlier = record
                record = RenewalRecord(name: candidate.name)
                record.serial = candidate.serial
                record.pause = earlier.pause
                record.failures = earlier.failures.filter(\.isDeployment)
            }
            record.forgetTheFuture(now: time.unixTime())
            entries.append(Entry(candidate: candidate, record: record))
        }
        return entries
    }

    /// The part of a round that is about one CA's certificates.
    private func round(_ part: [Entry], _ slots: Gate, _ rooms: Rooms) async throws -> Round {
        var entries = part
        try await look(&entries)
        try Task.checkCancellation()
        let now = time.unixTime()
        for index in entries.indices { entries[index].decide(now) }
        var round = Round(next: now &+ Self.longestPause)
        let due = entries.filter { $0.due <= now }.sorted { $0.candidate.notAfter < $1.candidate.notAfter }
        for entry in entries where entry.due > now {
            round.next = min(round.next, entry.due, entry.record.nextLook ?? .max, entry.record.nextListLook ?? .max)
        }
        try await renew(due, &round, slots, rooms)
        return round
    }

    // MARK: Looking

    /// Whether a CA has not answered in this round.
    private final class Silence: Sendable {
        let isKnown = Mutex(false)
    }

    /// Asks the CA when to renew, and looks at its revocation lists, both at once.
    private func look(_ entries: inout [Entry]) async throws {
        let now = time.unixTime()
        // One that was just renewed, or is renewed anyway, is not asked about.
        let open = entries.indices.filter { index in
            entries[index].isAskedAbout && entries[index].quietUntil <= now
        }
        let asked = open.filter { (entries[$0].record.nextLook ?? .min) <= now }
        let listed = open.filter { (entries[$0].record.nextListLook ?? .min) <= now }
        let known = entries
        let end = time.uptime() + limits.looksPatience, silence = Silence()
        async let windows = bounded(limits.looksAtOnce, asked.map { known[$0].candidate }) { candidate -> RenewalLook? in
            guard !silence.isKnown.withLock({ $0 }) else { return .failed }
            let left = end - time.uptime()
            guard left > .zero else { return nil }
            let look = await work.look(at: candidate, within: left)
            if case .unreachable = look { silence.isKnown.withLock { $0 = true } }
            return look
        }
        async let lists =
            listed.isEmpty
            ? [] : work.revocations(of: listed.map { known[$0].candidate }, seen: listed.map { known[$0].record.seenList })
        let found = (windows: try await windows, lists: try await lists)
        // What a cancelled look says counts for nothing.
        try Task.checkCancellation()
        // What there was no time to ask about is asked about in the next round.
        for (index, look) in zip(asked, found.windows) { if let look { take(look, into: &entries[index].record) } }
        for (index, look) in zip(listed, found.lists) { take(look, into: &entries[index].record) }
        for index in open where entries[index].record != known[index].record { await work.keep(entries[index].record) }
    }

    private func take(_ look: RenewalLook, into record: inout RenewalRecord) {
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
        case .failed, .unreachable:
            // What the CA said before still counts, within the bounds of the timing.
            record.failedLooks = min(record.failedLooks, 1_000) + 1
            record.nextLook = RenewalTiming.nextLook(now, afterFailures: record.failedLooks)
        }
    }

    private func take(_ look: RevocationLook, into record: inout RenewalRecord) {
        let now = time.unixTime()
        switch look {
        case .none:
            record.nextListLook = now &+ RenewalTiming.listLookRange.upperBound
            record.listFailures = nil
        case .notRevoked(let seen):
            // A list may take a certificate off again that was on hold (RFC 5280 §5.3.1).
            record.revocation = nil
            record.seenList = seen
            record.nextListLook = RenewalTiming.nextListLook(now, nextUpdate: seen.nextUpdate)
            record.listFailures = nil
        case .revoked(let revocation, let seen):
            record.revocation = revocation
            record.seenList = seen
            record.nextListLook = RenewalTiming.nextListLook(now, nextUpdate: seen.nextUpdate)
            record.listFailures = nil
        case .failed(let reason):
            let count = min(record.listFailures?.count ?? 0, 1_000) + 1
            record.listFailures = RenewalRecord.ListFailures(count: count, first: record.listFailures?.first ?? now, reason: reason)
            record.nextListLook = RenewalTiming.nextLook(now, afterFailures: count)
        case .postponed: break
        }
    }

    // MARK: Renewing

    /// What the CAs' limits leave, shared by all parts of a round.
    private actor Rooms {
        private let work: any RenewalWork
        private var known: [ACMEURL: CARoom?] = [:]

        init(_ work: any RenewalWork) { self.work = work }

        func take(_ candidate: RenewalCandidate, at directory: ACMEURL, now: Int64) async -> CARoom.Full? {
            if known[directory] == nil {
                let room = await work.room(at: directory, now: now)
                // Another part may have been first.
                if known[directory] == nil { known[directory] = .some(room) }
            }
            guard var room = known[directory].flatMap({ $0 }) else { return nil }
            let full = room.take(candidate.identifiers, now: now)
            known[directory] = .some(room)
            return full
        }
    }

    private func renew(_ due: [Entry], _ round: inout Round, _ slots: Gate, _ rooms: Rooms) async throws {
        var chosen: [(entry: Entry, directory: ACMEURL)] = []
        let now = time.unixTime()
        for entry in due {
            switch await choose(entry, rooms, now: now) {
            case .now(let directory): chosen.append((entry, directory))
            case .later(let postponed):
                round.postponed.append(postponed)
                round.next = min(round.next, postponed.until)
            case .never: break
            }
        }
        let attempts = try await bounded(limits.atOnce, chosen) { entry, directory in
            await slots.enter()
            do {
                try Task.checkCancellation()
                let attempt = try await self.attempt(entry, at: directory)
                await slots.leave()
                return attempt
            } catch {
                await slots.leave()
                throw error
            }
        }
        for ((entry, directory), attempt) in zip(chosen, attempts) {
            round.results.append(Round.Result(name: entry.candidate.name, directory: directory, attempt: attempt.0))
            round.next = min(round.next, attempt.next)
        }
    }

    private enum Choice: Sendable {
        case now(ACMEURL)
        case later(Postponed)
        /// There is no CA.
        case never
    }

    /// The CA for an attempt now, or what the certificate has to wait for.
    private func choose(_ entry: Entry, _ rooms: Rooms, now: Int64) async -> Choice {
        let candidate = entry.candidate
        var directories = candidate.directories
        if candidate.reason == .forced { directories = Array(directories.prefix(1)) }
        if candidate.reason == .undeployed, let issuing = candidate.openAt { directories = [issuing] }
        var waiting: RenewalRecord.Failures?, full: (room: CARoom.Full, directory: ACMEURL)?
        for (index, directory) in directories.enumerated() {
            // A name whose validation fails would fail at another CA as well.
            if index > 0, full.map({ $0.room.limit == .failedValidations }) ?? true {
                // Another CA only after its own one has failed more than once, by its own fault.
                guard let own = directories.first, let earlier = entry.record.failures(at: own), earlier.isOfCA,
                    earlier.count >= limits.failuresBeforeOther
                else { break }
            }
            // A person does not wait, nor does a new certificate for the hook of one that is of no use.
            if candidate.reason != .forced, let failures = entry.record.failures(at: directory), failures.next > now,
                !(failures.isDeployment && entry.isUseless)
            {
                if waiting.map({ failures.next < $0.next }) ?? true { waiting = failures }
                continue
            }
            guard directory != candidate.openAt, let room = await rooms.take(candidate, at: directory, now: now) else {
                return .now(directory)
            }
            full = full ?? (room, directory)
        }
        if let full, isTooLate(full.room, for: entry, now: now) { return .now(full.directory) }
        let room = full.map { full in
            Postponed(
                name: candidate.name, until: full.room.until ?? now &+ Self.longestPause,
                reason: .limit(full.room.limit, directory: full.directory))
        }
        let failed = waiting.map { Postponed(name: candidate.name, until: $0.next, reason: .failures($0)) }
        return [room, failed].compactMap(\.self).min { $0.until < $1.until }.map { .later($0) } ?? .never
    }

    /// Seconds for which the counted limit of a CA is kept in any case.
    static let shortWait: Int64 = 6 * 3_600
    /// Seconds before the end of validity at which a certificate should be renewed at the latest.
    static let lastDay: Int64 = 86_400

    /// Whether waiting for room would cost the certificate. What is counted is this store's guess, and a CA may not count
    /// renewals: if it refuses, the usual waits follow.
    private func isTooLate(_ room: CARoom.Full, for entry: Entry, now: Int64) -> Bool {
        let until = room.until ?? .max
        guard entry.candidate.serial != nil, until > now &+ Self.shortWait else { return false }
        return entry.candidate.reason == .revokedByCA || until > entry.candidate.notAfter &- Self.lastDay
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
            record.pause = pause(after: entry.record.pause, now: now)
            await work.keep(record)
            return (attempt, now &+ Self.shortestPause)
        case .notTried: return (attempt, now &+ RenewalBackoff.first)
        case .failed(let failure):
            var record = entry.record
            let earlier = record.failures(at: directory).flatMap { $0.isDeployment == failure.isDeployment ? $0 : nil }
            let count = min(earlier?.count ?? 0, 1_000) + 1
            let wait =
                failure.isDeployment
                ? RenewalBackoff.deploymentWait(count: count, random: random)
                : RenewalBackoff.wait(
                    count: count, left: entry.candidate.notAfter &- now, retryAfter: failure.retryAfter, random: random)
            record.note(
                RenewalRecord.Failures(
                    directory: directory, count: count, first: earlier?.first ?? now, last: now, next: now &+ wait,
                    reason: failure.reason, isOfCA: failure.isOfCA, isDeployment: failure.isDeployment, code: failure.code))
            // The certificate is a new one, though servers do not use it yet.
            if failure.isDeployment, entry.candidate.reason != .undeployed { record.pause = pause(after: record.pause, now: now) }
            await work.keep(record)
            return (attempt, now &+ wait)
        }
    }

    private func pause(after earlier: RenewalRecord.Pause?, now: Int64) -> RenewalRecord.Pause {
        let seconds = earlier.flatMap { now &- $0.renewed < 2 * $0.seconds ? 2 * $0.seconds : nil } ?? Self.shortestPause
        return RenewalRecord.Pause(renewed: now, seconds: min(seconds, Self.longestQuiet))
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
