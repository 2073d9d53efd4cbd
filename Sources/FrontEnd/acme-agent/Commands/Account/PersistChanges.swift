import ACME
import CertificateStore
import Issuance
import StrictJSON

/// The records of dns-persist-01 that certificates of a CA depend on, as they must be for the account and its present key.
struct PersistChanges: Sendable {
    /// One for each name, and for its wildcard if a certificate has one.
    private(set) var records: [(name: DNSName, record: DNSPersistRecord)] = []

    /// Those that an account's new key changes: the records of draft-02 name the account by a hash that has the key.
    /// - Returns: `nil` if the CA could not be asked, which is said; the key is changed nevertheless.
    static func afterKeyChange(at directory: ACMEURL, _ flow: AccountFlow, _ session: Session) async -> PersistChanges? {
        do {
            return try await PersistChanges(at: directory, flow, session) { if case .hash = $0 { true } else { false } }
        } catch {
            session.output.warning(
                "whether records of dns-persist-01 must be changed is not known: \(Failure(error).message)",
                hint: "acme-agent persist NAME prints them as they must be")
            return nil
        }
    }

    /// - Parameter isAffected: whether records in such a form are meant.
    init(
        at directory: ACMEURL, _ flow: AccountFlow, _ session: Session,
        where isAffected: (DNSPersistRecord.AccountForm) -> Bool = { _ in true }
    ) async throws {
        let names = try await PersistChanges.names(at: directory, session)
        guard !names.isEmpty else { return }
        var (expectation, offered) = try await flow.persistRecord(directory)
        guard isAffected(expectation.form) else { return }
        let known = session.settings.knownCA(at: directory).issuerDomain
        guard let issuer = expectation.issuers.first ?? known ?? offered.caaIdentities.first, DNSPersistRecord.isUsable(issuer: issuer)
        else { return }
        expectation.issuers = [issuer]
        records = names.map { ($0, expectation.record(for: $0, persistUntil: nil)) }
    }

    /// The names whose certificates may be ordered there by dns-persist-01, stored or declared.
    private static func names(at directory: ACMEURL, _ session: Session) async throws -> [DNSName] {
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        var wanted: [String: DNSName] = [:]
        func add(_ identifiers: [Identifier], _ settings: CertificateSettings) {
            for case .dns(let name) in identifiers where settings.persistSettings(for: name) != nil {
                if name.isWildcard || wanted[name.base] == nil { wanted[name.base] = name }
            }
        }
        for name in try await session.store.certificateNames() {
            // A damaged one is another command's concern.
            guard let certificate = try? await session.store.certificate(named: name), !certificate.isRevoked,
                certificate.metadata.directory == directory
            else { continue }
            let remembered = (try? memory.read(name)) ?? CertificateSettings()
            add(
                certificate.metadata.identifiers,
                session.settings.certificate(named: name.rawValue, given: CertificateSettings(), remembered: remembered))
        }
        for declared in session.settings.declared where session.settings.cas(of: declared.name.rawValue).first.directory == directory {
            let settings = session.settings.certificate(
                named: declared.name.rawValue, given: CertificateSettings(), remembered: CertificateSettings())
            add(declared.identifiers, settings)
        }
        return wanted.values.sorted { $0.base < $1.base }
    }

    /// Says which records must be changed.
    func tell(_ output: Output) {
        guard !records.isEmpty else { return }
        let names = records.map { $0.name.text }.joined(separator: " ")
        let lines = records.map { "\n  \($0.record.zoneFileLine(for: $0.name))" }.joined()
        output.warning(
            "these records of dns-persist-01 must be changed, or no certificate is issued for their names:\(lines)",
            hint: "acme-agent persist --set \(names) sets them by DNS updates")
    }

    func writeMember(to json: inout JSONWriter) { DNSPersistRecord.writeMember(records, to: &json) }
}
