import ACME
import CertificateStore
import Issuance
import JOSE

/// The records of dns-persist-01 that certificates depend on: a renewal fails without them.
enum PersistAttention {
    /// How long DNS may take; then it is said how many names are not known.
    private static let patience: Duration = .seconds(4)
    /// Names that are looked up at the same time.
    private static let atATime = 16
    /// Names that are looked up, of a store that may have thousands.
    private static let most = 200

    /// The names whose records are missing, or end soon, one line each. Nothing is asked if no certificate uses the records.
    static func lines(_ contents: StoreContents, _ session: Session) async -> [String] {
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        var wanted: [(name: DNSName, account: ACMEURL, key: KeyName?, solver: DNSPersist)] = []
        for report in contents.reports where !report.certificate.isRevoked {
            let certificate = report.certificate
            let remembered = (try? memory.read(certificate.name)) ?? CertificateSettings()
            let settings = session.settings.certificate(
                named: certificate.name.rawValue, given: CertificateSettings(), remembered: remembered)
            guard let account = certificate.metadata.account, let directory = certificate.metadata.directory else { continue }
            let key = try? await session.store.account(at: directory)?.key
            for case .dns(let name) in certificate.metadata.identifiers {
                guard let resolver = settings.persistSettings(for: name) else { continue }
                wanted.append((name, account, key, DNSPersist(resolver)))
            }
        }
        guard !wanted.isEmpty else { return [] }
        let keys = (try? await session.agent().keys()) ?? []
        let thumbprints = Dictionary(keys.map { ($0.name, $0.publicKey.thumbprint) }) { first, _ in first }
        let looked = Array(wanted.prefix(most))
        let endings = await results(looked, within: patience) { name, account, key, solver in
            try? await solver.ending(of: name, account: account, thumbprint: key.flatMap { thumbprints[$0] })
        }
        let lines = zip(looked, endings).compactMap { wanted, ending in ending.flatMap { line(wanted.name, $0, now: Session.now) } }
        return lines + unknown(wanted.count - endings.count { $0 != nil }, of: wanted.count)
    }

    /// Says of how many names nothing is known.
    static func unknown(_ count: Int, of all: Int) -> [String] {
        guard count > 0 else { return [] }
        return [
            "dns-persist-01: the records of \(count) of \(all) names were not found out: DNS did not answer in time, "
                + "or there are more than \(most) names"
        ]
    }

    /// The results that are there before the time limit, in the elements' order.
    static func results<Element: Sendable, Result: Sendable>(
        _ elements: [Element], within limit: Duration, _ body: @escaping @Sendable (Element) async -> Result?
    ) async -> [Result?] {
        await withTaskGroup(of: (Int, Result?)?.self) { group in
            var results = [Result?](repeating: nil, count: elements.count)
            var (next, running) = (0, 0)
            func start() {
                guard next < elements.count else { return }
                let (index, element) = (next, elements[next])
                group.addTask { (index, await body(element)) }
                (next, running) = (next + 1, running + 1)
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return nil
            }
            for _ in 0..<atATime { start() }
            while running > 0, let event = await group.next() {
                guard let (index, result) = event else { break }
                results[index] = result
                running -= 1
                start()
            }
            group.cancelAll()
            return results
        }
    }

    static func line(_ name: DNSName, _ ending: DNSPersist.Ending, now: Int64) -> String? {
        let record = "\(name.text): the record \(DNSPersistRecord.name(for: name))"
        let mend = "`acme-agent persist \(name.base)\(name.isWildcard ? " --wildcard" : "")`"
        switch ending {
        case .never: return nil
        case .missing: return "\(record) for your account is missing (\(mend) prints it)"
        case .at(let time) where time < now: return "\(record) has ended (\(mend) prints another)"
        case .at(let time) where time - now < DNSPersist.warningTime:
            return "\(record) ends \(Wording.moment(time, from: now)) (\(mend) prints another)"
        case .at: return nil
        }
    }
}

extension CertificateSettings {
    /// The resolver settings, if dns-persist-01 may be used for a name.
    func persistSettings(for name: DNSName) -> DNSUpdateSettings? {
        for case .dnsPersist(let settings) in methods(for: .dns(name)) { return settings }
        return nil
    }
}
