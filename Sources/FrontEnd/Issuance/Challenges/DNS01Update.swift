import ACME
import ACMEClient
import CertificateStore
import DNS
import Synchronization

/// dns-01 (RFC 8555 §8.4) or dns-account-01 by DNS updates (RFC 2136), signed with TSIG.
///
/// It follows CNAME records from `_acme-challenge.NAME` to the record's place, adds its value there, and waits until
/// every server of the zone shows it. Other values of the record stay, since a wildcard and its base name have the same
/// record, and other clients may be at work.
public final class DNS01Update: ChallengeSolver {
    /// Seconds that resolvers may keep the record: no longer than it is needed.
    private static let ttl: UInt32 = 60
    /// For finding the place of a record, or adding to it there. Servers in order need a fraction of a second. All records
    /// of an order share the time, and each that succeeds begins it anew: servers that are slow may take long for many
    /// names, and servers that are none take a minute in all, however many names an order has.
    static let changeLimit: Duration = .seconds(10)
    /// For removing a record, whose place is known, in the same way.
    static let removalLimit: Duration = .seconds(5)
    /// For removing a record where an earlier run added it, before the place of today is tried as well.
    private static let recordedLimit: Duration = .seconds(2)
    /// As long as servers take that are told of changes (RFC 1996), many times over.
    public static let standardWait: Duration = .seconds(40)
    /// For all of an order's records to be shown, from the first addition on, unless the user asks for a wait. What is
    /// added late has `changeLimit`.
    private static let orderLimit: Duration = .seconds(43)
    /// For the last round of questions.
    private static let lastLook: Duration = .seconds(3)
    /// Records that are changed at the same time, and servers that are asked at the same time for each.
    private static let atATime = 8
    /// Pauses between two rounds of questions.
    private static let shortestPause: Duration = .milliseconds(100), longestPause: Duration = .seconds(2)

    private let settings: DNSUpdateSettings
    private let challenge: DNSChallenge
    private let lookup: DNSLookup
    private let longestWait: Duration?
    private let limits: (change: Duration, removal: Duration)
    private let time: any Timekeeping
    private let observer: IssuanceObserver
    private let gate = Gate(limit: DNS01Update.atATime)
    /// Questions at a time, for all records of an order: each has a socket.
    private let questions = Gate(limit: 128)
    /// Where this process has presented, by the record's name before aliases.
    private let places = Mutex<[String: TextRecord]>([:])
    private enum Change { case location, addition, removal }
    /// Until when the next change of a kind must succeed.
    private let deadlines = Mutex<[Change: ContinuousClock.Instant]>([:])
    /// Until when all records of an order must be shown: from the first addition on.
    private let orderEnd = Mutex<ContinuousClock.Instant?>(nil)

    /// - Parameters:
    ///   - longestWait: until all servers of the zone show a record; `nil` for the usual time.
    ///   - port: of servers that are found by name.
    public convenience init(
        _ settings: DNSUpdateSettings, challenge: DNSChallenge = .dns01, longestWait: Duration? = nil,
        port: Int = DNSServer.standardPort,
        time: any Timekeeping = SystemTime(), observer: @escaping IssuanceObserver = { _ in }
    ) {
        let lookup = DNSLookup(resolvers: settings.resolver.map { [$0] } ?? ResolverList.system(), port: port)
        self.init(settings, challenge: challenge, lookup: lookup, longestWait: longestWait, time: time, observer: observer)
    }

    init(
        _ settings: DNSUpdateSettings, challenge: DNSChallenge = .dns01, lookup: DNSLookup, longestWait: Duration?,
        limits: (change: Duration, removal: Duration) = (DNS01Update.changeLimit, DNS01Update.removalLimit),
        time: any Timekeeping = SystemTime(),
        observer: @escaping IssuanceObserver = { _ in }
    ) {
        self.settings = settings
        self.challenge = challenge
        self.lookup = lookup
        self.longestWait = longestWait
        self.limits = limits
        self.time = time
        self.observer = observer
    }

    public var type: ChallengeType { challenge.type }

    /// RFC 8738 §7: dns-01 must not be used for an IP address.
    public func canSolve(_ identifier: Identifier) -> Bool {
        if case .dns = identifier { return true }
        return false
    }

    public var seesItself: Bool { true }

    public func check() throws { _ = try settings.key() }

    /// The name before aliases: a later process follows them again.
    public func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String { challenge.recordName(identifier) }

    public func announce(_ answers: [ChallengeAnswer]) async {
        deadlines.withLock { $0 = [:] }
        orderEnd.withLock { $0 = nil }
    }

    /// How long a record may be waited for: what the user asks for, or what is left for the order.
    private func longestLook() -> Duration {
        if let longestWait { return longestWait }
        let now = ContinuousClock.now
        let end = orderEnd.withLock { end in
            let known = end ?? now + Self.orderLimit
            end = known
            return known
        }
        return min(Self.standardWait, max(Self.changeLimit, end - now))
    }

    private func limit(of kind: Change) -> Duration { kind == .removal ? limits.removal : limits.change }

    /// What is left for a change of a kind.
    private func timeLeft(for kind: Change) -> Duration {
        let now = ContinuousClock.now
        let deadline = deadlines.withLock { deadlines in
            let known = deadlines[kind] ?? now + limit(of: kind)
            deadlines[kind] = known
            return known
        }
        return max(.zero, deadline - now)
    }

    public func locate(_ answer: ChallengeAnswer) async -> String? {
        // A failure is said by `present`, which looks again.
        try? await change(answer, .location) { [self] in _ = try await place(of: answer) }
        return places.withLock { $0[answer.target]?.text }
    }

    public func present(_ answer: ChallengeAnswer) async throws {
        let key = try settings.key()
        _ = longestLook()
        try await change(answer, .addition) { [self] in
            let place = try await place(of: answer)
            try await lookup.add(Self.value(answer), ttl: Self.ttl, to: place, key, time: time.unixTime())
        }
    }

    public func cleanUp(_ answer: ChallengeAnswer) async throws {
        let key = try settings.key()
        try await change(answer, .removal) { [self] in
            let known = places.withLock { $0[answer.target] }
            let recorded = answer.place.flatMap { TextRecord(text: $0) }
            if let recorded, recorded != known, try await remove(answer, from: recorded, key) { return }
            try await lookup.remove(Self.value(answer), from: try await place(of: answer), key, time: time.unixTime())
        }
    }

    /// Removes a value where an earlier run added it: aliases and servers may have changed since.
    /// - Returns: `false` if the place of today is to be tried: a server that is gone for good, or no longer the zone's,
    ///   has no record, and one that is slow is asked again.
    private func remove(_ answer: ChallengeAnswer, from recorded: TextRecord, _ key: TSIGKey?) async throws -> Bool {
        do {
            try await DNSPatience.within(Self.recordedLimit, answer.identifier, answer.target) { [self] in
                try await lookup.remove(Self.value(answer), from: recorded, key, time: time.unixTime())
            }
            return true
        } catch let error as DNSError {
            guard let today = try? await place(of: answer), today != recorded else { throw error }
            return false
        } catch is IssuanceError { return false }
    }

    private static func value(_ answer: ChallengeAnswer) -> [UInt8] { Array(answer.keyAuthorization.dns01Value.utf8) }

    /// Where the record is, found once: the place where it was added is the place where it is removed.
    private func place(of answer: ChallengeAnswer) async throws -> TextRecord {
        if let known = places.withLock({ $0[answer.target] }) { return known }
        let place = try await lookup.record(try DomainName(answer.target), primary: settings.server)
        places.withLock { $0[answer.target] = place }
        return place
    }

    private func change(_ answer: ChallengeAnswer, _ kind: Change, _ body: @escaping @Sendable () async throws -> Void) async throws {
        await gate.enter()
        do {
            try await DNSPatience.within(
                timeLeft(for: kind), answer.identifier, answer.target, more: { [self] in timeLeft(for: kind) }, body)
            deadlines.withLock { $0[kind] = ContinuousClock.now + limit(of: kind) }
            await gate.leave()
        } catch {
            await gate.leave()
            throw explain(error, kind == .removal ? nil : answer)
        }
    }

    /// - Parameter answer: what could not be set up; `nil` for a removal.
    private func explain(_ error: any Error, _ answer: ChallengeAnswer?) -> any Error {
        guard let error = error as? DNSError else { return error }
        return IssuanceError.dns(error, answer?.identifier)
    }

    // MARK: - Waiting

    /// Asks each server of the zone itself: a resolver may have kept an earlier answer, and the CA may ask any of them.
    public func waitUntilVisible(_ answer: ChallengeAnswer) async throws {
        let wait = longestLook(), end = time.uptime() + wait
        do {
            let limit = min(Self.changeLimit, wait + Self.lastLook)
            let (place, servers) = try await DNSPatience.within(limit, answer.identifier, answer.target) {
                [self] () -> (TextRecord, [ZoneServer]) in
                let found = try await self.place(of: answer)
                return (found, try await lookup.servers(of: found.zone))
            }
            var missing: [(ZoneServer, DNSLookup.Sight)] = servers.map { ($0, .lacking) }
            let all = missing.count
            var pause = Self.shortestPause
            while true {
                missing = try await look(
                    for: Self.value(answer), at: place.name, on: missing.map { $0.0 }, within: max(Self.lastLook, end - time.uptime()))
                // What this host has no way to, it cannot judge; the others must do.
                if missing.allSatisfy({ $0.1 == .unreachable }), missing.count < all { return }
                guard time.uptime() + pause < end else {
                    guard missing.count < all, missing.allSatisfy({ $0.1 != .lacking }) else {
                        throw late(answer, place, missing, after: wait)
                    }
                    // A server that is down does not answer the CA either: it asks the others, which have the record.
                    observer(.warning("not every DNS server of \(place.zone) can be asked for the record: \(Self.list(missing))"))
                    return
                }
                let reason = "for \(missing.count) of \(all) DNS servers of \(place.zone) to show the record"
                if pause >= .seconds(1) { observer(.waiting(seconds: pause.inSeconds, reason: reason)) }
                try await time.sleep(for: pause)
                pause = min(pause * 2, Self.longestPause)
            }
        } catch { throw explain(error, answer) }
    }

    /// - Returns: the servers that do not show the value.
    private func look(
        for value: [UInt8], at name: DomainName, on servers: [ZoneServer], within limit: Duration
    ) async throws -> [(ZoneServer, DNSLookup.Sight)] {
        try await withThrowingTaskGroup(of: (Int, DNSLookup.Sight)?.self) { group in
            var next = 0
            func start() {
                guard next < servers.count else { return }
                let (index, server) = (next, servers[next].server)
                group.addTask { [lookup, questions] in
                    await questions.enter()
                    do {
                        // Its time may be over.
                        try Task.checkCancellation()
                        let sight = try await lookup.look(for: value, at: name, on: server)
                        await questions.leave()
                        return (index, sight)
                    } catch {
                        await questions.leave()
                        throw error
                    }
                }
                next += 1
            }
            group.addTask {
                try await Task.sleep(for: limit)
                return nil
            }
            for _ in 0..<Self.atATime { start() }
            var sights: [(Int, DNSLookup.Sight)] = []
            while sights.count < servers.count, let sight = try await group.next() {
                guard let sight else { break }
                sights.append(sight)
                start()
            }
            group.cancelAll()
            let seen = Set(sights.map(\.0))
            sights += servers.indices.filter { !seen.contains($0) }.map { ($0, .failed("did not answer in time")) }
            return sights.sorted { $0.0 < $1.0 }.filter { $0.1 != .shown }.map { (servers[$0.0], $0.1) }
        }
    }

    /// What the user can do where the zone's servers are slow.
    static let lateHint =
        "let the primary notify the zone's other servers of changes (NOTIFY), or wait longer: --dns-wait SECONDS"

    private func late(
        _ answer: ChallengeAnswer, _ place: TextRecord, _ missing: [(ZoneServer, DNSLookup.Sight)], after wait: Duration
    ) -> IssuanceError {
        IssuanceError.passing(
            answer.identifier,
            reason: "after \(wait.components.seconds) s the TXT record \(place.name) is not on every server of the zone "
                + "\(place.zone): \(Self.list(missing))",
            hint: Self.lateHint)
    }

    private static func list(_ missing: [(ZoneServer, DNSLookup.Sight)]) -> String {
        let shown = missing.prefix(8).map { server, sight in
            switch sight {
            case .failed(let reason): "\(server) \(reason)"
            case .unreachable: "\(server) cannot be reached from this host"
            case .lacking, .shown: "\(server) does not have it"
            }
        }
        let more = missing.count > shown.count ? "; and \(missing.count - shown.count) more" : ""
        return shown.joined(separator: "; ") + more
    }
}
