import ACME
import ACMEClient
import CertificateStore
import DNS

/// dns-persist-01 (draft-ietf-acme-dns-persist): a TXT record that stays lets the account have certificates. Nothing is
/// written. The solver looks first whether the record is there, fits this account and lasts, since a failed validation
/// counts at the CA.
public struct DNSPersist: ChallengeSolver {
    /// A warning comes when a record lasts for less than this: longer than between two renewals that failed.
    public static let warningTime: Int64 = 30 * 86_400

    /// For all questions about one record. Names are looked at side by side.
    private static let lookLimit: Duration = .seconds(30)

    private let lookup: DNSLookup
    private let time: any Timekeeping
    private let observer: IssuanceObserver

    /// - Parameters:
    ///   - settings: of which only the resolver is used.
    ///   - port: of servers that are found by name.
    public init(
        _ settings: DNSUpdateSettings, port: Int = DNSServer.standardPort, time: any Timekeeping = SystemTime(),
        observer: @escaping IssuanceObserver = { _ in }
    ) {
        lookup = DNSLookup(resolvers: settings.resolver.map { [$0] } ?? ResolverList.system(), port: port)
        self.time = time
        self.observer = observer
    }

    public var type: ChallengeType { .dnsPersist01 }

    public func canSolve(_ identifier: Identifier) -> Bool {
        if case .dns = identifier { return true }
        return false
    }

    public func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String {
        if case .dns(let name) = identifier { return DNSPersistRecord.name(for: name) }
        return identifier.value
    }

    public func confirm(_ record: DNSPersistRecord.Expectation, for identifier: Identifier) async throws {
        guard case .dns(let name) = identifier else { return }
        let now = time.unixTime()
        switch try await look(record, name, now) {
        case .success(let found):
            guard let until = found.persistUntil, until - now < Self.warningTime else { return }
            observer(
                .warning(
                    "the record \(DNSPersistRecord.name(for: name)) lets this account have certificates for "
                        + "\(max(0, until - now) / 86_400) more days only (persistUntil)"))
        case .failure(let misfit):
            throw IssuanceError.solver(
                identifier, reason: "\(DNSPersistRecord.name(for: name)): \(misfit)",
                hint: "add to the zone: \(record.record(for: name).zoneFileLine(for: name))")
        }
    }

    /// How long a record for an account lasts.
    public enum Ending: Hashable, Sendable {
        case missing
        case never
        /// Seconds since 1970.
        case at(Int64)
    }

    /// How long the record of a name lasts for an account; the longest, if there are several.
    /// - Parameter thumbprint: the account key's, if it is known.
    /// - Throws: `DNSError`, if no resolver answers.
    public func ending(of name: DNSName, account: ACMEURL, thumbprint: String?) async throws -> Ending {
        let values = try await lookup.texts(of: try DomainName(DNSPersistRecord.name(for: name)))
        let records = values.compactMap { DNSPersistRecord(value: String(decoding: $0, as: UTF8.self)) }.filter {
            $0.isFor(account, thumbprint: thumbprint, name: name) && ($0.isForWildcards || !name.isWildcard)
        }
        guard !records.isEmpty else { return .missing }
        let ends = records.compactMap(\.persistUntil)
        return ends.count < records.count ? .never : ends.max().map { .at($0) } ?? .never
    }

    /// Adds the record to the zone (RFC 2136), and removes earlier ones for the same account at the same CA.
    /// - Parameter own: with every name of the CA; its account, in either form.
    /// - Throws: `IssuanceError`, also if the record is set but earlier ones remain.
    public static func set(
        _ record: DNSPersistRecord, for name: DNSName, inPlaceOf own: DNSPersistRecord.Expectation, _ settings: DNSUpdateSettings,
        port: Int = DNSServer.standardPort, time: any Timekeeping = SystemTime()
    ) async throws {
        let recordName = DNSPersistRecord.name(for: name)
        let lookup = DNSLookup(resolvers: settings.resolver.map { [$0] } ?? ResolverList.system(), port: port)
        let key = try settings.key()
        let place: TextRecord
        let server: DNSServer
        do {
            place = try await lookup.record(try DomainName(recordName), primary: settings.server)
            server = try await lookup.add(Array(record.value.utf8), ttl: ttl, to: place, key, time: time.unixTime())
        } catch let error as DNSError { throw failure("\(recordName) could not be set", error) }
        // Other servers of the zone may not have heard of it yet.
        func earlier() async throws -> [[[UInt8]]] {
            try await lookup.strings(of: place.name, on: server).filter { strings in
                let text = String(decoding: strings.flatMap(\.self), as: UTF8.self)
                guard text != record.value, let other = DNSPersistRecord(value: text) else { return false }
                return own.issuers.contains(other.issuer) && other.isFor(own.account, thumbprint: own.thumbprint, name: name)
            }
        }
        let remaining: [[[UInt8]]]
        do {
            // A change that is under way at the same time is not the last word.
            for strings in try await earlier() { try await lookup.remove(strings: strings, from: place, key, time: time.unixTime()) }
            remaining = try await earlier()
        } catch let error as DNSError {
            throw failure("\(recordName) is set, but earlier records for your account may remain", error)
        }
        guard remaining.isEmpty else {
            let values = remaining.prefix(mostNamed).map { strings in
                "\"\(TerminalText.safe(String(decoding: strings.flatMap(\.self), as: UTF8.self), limit: 300))\""
            }
            throw IssuanceError.solver(
                nil, reason: "\(recordName) is set, but an earlier record for your account remains: \(values.joined(separator: ", "))",
                hint: "remove it from the zone \(place.zone): as long as it is there, the CA accepts it")
        }
    }

    /// Records that a message shows.
    private static let mostNamed = 4

    private static func failure(_ what: String, _ error: DNSError) -> IssuanceError {
        let reason = "\(what): \(error)"
        return error.isPassing ? .busy(reason, hint: error.hint) : .solver(nil, reason: reason, hint: error.hint)
    }

    /// Seconds that resolvers may keep the record.
    private static let ttl: UInt32 = 3600

    public func present(_ answer: ChallengeAnswer) async throws {}
    public func cleanUp(_ answer: ChallengeAnswer) async throws {}

    /// A resolver may have kept an answer from before the record was added: if that does not fit, the zone's own servers
    /// are asked.
    private func look(
        _ record: DNSPersistRecord.Expectation, _ name: DNSName, _ now: Int64
    ) async throws -> Result<DNSPersistRecord, DNSPersistRecord.Misfit> {
        @Sendable func fitting(_ values: [[UInt8]]) -> Result<DNSPersistRecord, DNSPersistRecord.Misfit> {
            DNSPersistRecord.fitting(values.map { String(decoding: $0, as: UTF8.self) }, record, for: name, now: now)
        }
        do {
            let text = DNSPersistRecord.name(for: name)
            return try await DNSPatience.within(Self.lookLimit, .dns(name), text) { [lookup] in
                let domain = try DomainName(text), kept = fitting(try await lookup.texts(of: domain))
                guard case .failure = kept, let values = try? await lookup.currentTexts(of: domain) else { return kept }
                return fitting(values)
            }
        } catch let error as DNSError {
            throw IssuanceError.dns(error, .dns(name))
        }
    }
}
