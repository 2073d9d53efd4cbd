import ACME
import CertificateStore
import Issuance
import JOSE

/// The records of dns-persist-01 that certificates depend on: a renewal fails without them.
enum PersistAttention {
    /// How long DNS may take; what is not known then is left out.
    private static let patience: Duration = .seconds(4)
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
            guard let resolver = settings.persistSettings, let account = certificate.metadata.account else { continue }
            let key = try? await session.store.account(at: certificate.metadata.directory)?.key
            for case .dns(let name) in certificate.metadata.identifiers where wanted.count < most {
                wanted.append((name, account, key, DNSPersist(resolver)))
            }
        }
        guard !wanted.isEmpty else { return [] }
        return await withTaskGroup(of: [String]?.self) { [wanted] group in
            group.addTask { await look(wanted, session) }
            group.addTask {
                try? await Task.sleep(for: patience)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first ?? []
        }
    }

    private static func look(
        _ wanted: [(name: DNSName, account: ACMEURL, key: KeyName?, solver: DNSPersist)], _ session: Session
    ) async -> [String] {
        let keys = (try? await session.agent().keys()) ?? []
        let thumbprints = Dictionary(keys.map { ($0.name, $0.publicKey.thumbprint) }) { first, _ in first }
        var lines: [String] = []
        for (name, account, key, solver) in wanted {
            guard
                let ending = try? await solver.ending(of: name, account: account, thumbprint: key.flatMap { thumbprints[$0] })
            else { continue }
            if let line = line(name, ending, now: Session.now) { lines.append(line) }
        }
        return lines
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
    /// The resolver settings, if dns-persist-01 may be used.
    var persistSettings: DNSUpdateSettings? {
        let methods = challenges ?? challengeRules.flatMap(\.methods) + (generalChallenges ?? [])
        for case .dnsPersist(let settings) in methods { return settings }
        return nil
    }
}
