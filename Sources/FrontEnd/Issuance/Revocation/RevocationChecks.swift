import ACMEClient
import CertificateStore
import JOSE
import Synchronization

/// Looks at the revocation lists of certificates: each list is fetched once for all certificates that name it.
public struct RevocationChecks: Sendable {
    /// A certificate in question.
    public struct Subject: Sendable {
        public var chain: CertificateChain
        /// The last list that counted for it.
        public var seen: RenewalRecord.SeenList?

        public init(chain: CertificateChain, seen: RenewalRecord.SeenList? = nil) {
            self.chain = chain
            self.seen = seen
        }
    }

    /// - Throws: any error; a `RevocationListDownloadError` says whether the server is worth another question.
    public typealias Download = @Sendable (RevocationListURL) async throws -> [UInt8]

    /// Lists in memory at once: each may have `AsyncHTTPTransport.revocationListLimit` bytes.
    static let atOnce = 2
    /// How many URLs of one certificate are tried.
    static let maximumPlaces = 4

    private let download: Download
    private let time: any Timekeeping
    private let patience: Duration
    private let gate: Gate

    /// Shared by all CAs of this process.
    private static let shared = Gate(limit: atOnce)

    /// - Parameter patience: after that no further list is asked for.
    public init(time: any Timekeeping = SystemTime(), patience: Duration = .seconds(45), download: @escaping Download) {
        self.init(time: time, patience: patience, gate: Self.shared, download: download)
    }

    init(time: any Timekeeping, patience: Duration, gate: Gate, download: @escaping Download) {
        self.download = download
        self.gate = gate
        self.time = time
        self.patience = patience
    }

    /// The certificates that share their lists, by their places among the subjects.
    private struct Group: Sendable {
        var places: [(url: RevocationListURL, names: DistributionPointNames)]
        var subjects: [Int]
    }

    /// The places of the lists that a certificate names, if none of them is asked: as `ldap://…`.
    /// - Returns: `nil` if a list is asked, or the certificate names none; empty if no place is a URL.
    public static func unaskedPlaces(of chain: CertificateChain) -> [String]? {
        guard let value = chain.leaf.extensionValue(CertificateDistributionPoints.oid)?.value,
            let points = try? CertificateDistributionPoints(value), points.places(atMost: 1).isEmpty
        else { return nil }
        return points.points.flatMap { $0 }.prefix(maximumPlaces).map { String(decoding: $0, as: UTF8.self) }
    }

    /// - Returns: in the subjects' order.
    /// - Throws: `CancellationError`.
    public func looks(at subjects: [Subject]) async throws -> [RevocationLook] {
        var looks = [RevocationLook](repeating: .none, count: subjects.count)
        var groups: [[String]: Group] = [:], order: [[String]] = []
        for (index, subject) in subjects.enumerated() {
            guard let value = subject.chain.leaf.extensionValue(CertificateDistributionPoints.oid)?.value else { continue }
            guard let points = try? CertificateDistributionPoints(value) else {
                looks[index] = .failed(reason: "its CRLDistributionPoints cannot be read")
                continue
            }
            let places = points.places(atMost: Self.maximumPlaces), id = places.map(\.url.text)
            guard !places.isEmpty else { continue }
            if groups[id] == nil { order.append(id) }
            groups[id, default: Group(places: places, subjects: [])].subjects.append(index)
        }
        let end = time.uptime() + patience, silent = SilentHosts()
        try await withThrowingTaskGroup(of: [(Int, RevocationLook)].self) { tasks in
            var rest = order.compactMap { groups[$0] }.makeIterator()
            func startNext() {
                guard let group = rest.next() else { return }
                tasks.addTask { try await look(group, subjects, before: end, silent) }
            }
            for _ in 0..<Self.atOnce { startNext() }
            while let found = try await tasks.next() {
                for (index, look) in found { looks[index] = look }
                startNext()
            }
        }
        return looks
    }

    /// Hosts that did not answer: nobody waits for them twice.
    private final class SilentHosts: Sendable {
        private let hosts = Mutex<[String: String]>([:])

        func reason(_ host: String) -> String? { hosts.withLock { $0[host] } }
        func add(_ error: RevocationListDownloadError) { hosts.withLock { $0[error.host] = error.description } }
    }

    private func look(
        _ group: Group, _ subjects: [Subject], before end: Duration, _ silent: SilentHosts
    ) async throws -> [(Int, RevocationLook)] {
        var open = group.subjects, found: [(Int, RevocationLook)] = [], reasons: [Int: String] = [:]
        for place in group.places where !open.isEmpty {
            func fail(_ reason: String) { for index in open { reasons[index] = reasons[index] ?? reason } }
            if let reason = silent.reason(place.url.host) {
                fail(reason)
                continue
            }
            await gate.enter()
            guard time.uptime() < end else {
                await gate.leave()
                // A failure counts as one only if something was tried.
                if reasons.isEmpty { return open.map { ($0, .postponed) } }
                break
            }
            let looks: [(Int, RevocationLook)]
            do {
                // One list at a time for each place in the gate, until it has been read.
                looks = read(try RevocationList(der: try await download(place.url)), open.map { ($0, subjects[$0]) }, place.names)
                await gate.leave()
            } catch {
                await gate.leave()
                try Task.checkCancellation()
                if let error = error as? RevocationListDownloadError {
                    if error.isUnreachable { silent.add(error) }
                    fail(error.description)
                } else {
                    fail("\(place.url): \(error)")
                }
                continue
            }
            for (index, look) in looks {
                if case .failed(let reason) = look {
                    reasons[index] = reasons[index] ?? "\(place.url): \(reason)"
                } else {
                    found.append((index, look))
                    open.removeAll { $0 == index }
                }
            }
        }
        return found + open.map { ($0, .failed(reason: reasons[$0] ?? "no list was asked for")) }
    }

    /// What one list says of certificates that name it.
    private func read(
        _ list: RevocationList, _ subjects: [(index: Int, subject: Subject)], _ names: DistributionPointNames
    ) -> [(Int, RevocationLook)] {
        let now = time.unixTime()
        var looks: [(Int, RevocationLook)] = []
        /// With why the list says nothing of certificates that are not in it, if it does not.
        var counting: [(index: Int, serial: ArraySlice<UInt8>, stale: RevocationListFault?)] = []
        /// One signature is verified once: by the issuer, and by what else decides.
        var verdicts: [Question: RevocationListFault?] = [:]
        for (index, subject) in subjects {
            guard let issuer = subject.chain.leafIssuer else {
                looks.append((index, .failed(reason: "its chain does not have its issuer")))
                continue
            }
            let question = Question(issuer: issuer.der, seen: subject.seen), fault: RevocationListFault?
            if let known = verdicts[question] {
                fault = known
            } else {
                do throws(RevocationListFault) {
                    try list.check(issuer: issuer, names: names, seen: subject.seen, now: now)
                    fault = nil
                } catch { fault = error }
                verdicts[question] = .some(fault)
            }
            if let fault, !fault.isOfTimeAlone {
                looks.append((index, .failed(reason: fault.description)))
            } else {
                counting.append((index, subject.chain.leaf.serialNumber.drop { $0 == 0 }, fault))
            }
        }
        guard !counting.isEmpty else { return looks }
        let entries: [ArraySlice<UInt8>: RevocationList.Entry]
        do throws(RevocationListFault) { entries = try list.find(Set(counting.map(\.serial))) } catch {
            return looks + counting.map { ($0.index, .failed(reason: error.description)) }
        }
        let seen = RenewalRecord.SeenList(
            number: list.number.map { Hexadecimal.encode(Array($0)) }, thisUpdate: list.thisUpdate, nextUpdate: list.nextUpdate ?? now)
        for (index, serial, stale) in counting {
            // Only a hold ends by itself: what was revoked stays so, however old the list is.
            if let entry = entries[serial], stale == nil || entry.reason != .certificateHold {
                looks.append((index, .revoked(RenewalRecord.Revocation(date: entry.date, reason: entry.reason), seen)))
            } else if let stale {
                looks.append((index, .failed(reason: stale.description)))
            } else if list.distributionPoint?.hasSomeReasonsOnly ?? false {
                looks.append((index, .failed(reason: RevocationListFault.someReasonsOnly.description)))
            } else {
                looks.append((index, .notRevoked(seen)))
            }
        }
        return looks
    }

    private struct Question: Hashable {
        var issuer: [UInt8]
        var seen: RenewalRecord.SeenList?
    }
}
