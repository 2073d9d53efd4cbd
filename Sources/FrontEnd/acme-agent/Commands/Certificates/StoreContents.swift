import ACME
import CertificateStore

/// The contents of the state directory, for commands that show all of it. Unreadable files are reported and do not
/// affect the others.
struct StoreContents: Sendable {
    var reports: [CertificateReport] = []
    var interrupted: [OrderJournal] = []
    var awaited: [AwaitedCertificate] = []
    var damaged: [(name: CertificateName, failure: Failure)] = []

    /// - Parameter agent: what it has said already; `nil` if it has not been asked.
    /// - Throws: `StoreError` if the folder itself cannot be read.
    init(_ session: Session, agent known: AgentView? = nil) async throws {
        let store = session.store
        for name in try await store.certificateNames() {
            do throws(StoreError) {
                if let certificate = try await store.certificate(named: name) { reports.append(CertificateReport(certificate)) }
            } catch { damaged.append((name, Failure(error))) }
        }
        for name in try await store.journalNames() {
            do throws(StoreError) {
                guard let journal = try await store.journal(named: name) else { continue }
                // Once its certificate is installed the order is done, whether or not the hook succeeded.
                let installed = reports.first { $0.certificate.name == name }?.certificate.metadata
                if journal.order == nil || journal.order != installed?.order { interrupted.append(journal) }
            } catch { damaged.append((name, Failure(error))) }
        }
        for name in try await store.awaitedNames() {
            do throws(StoreError) {
                if let found = try await store.awaited(named: name) { awaited.append(found) }
            } catch { damaged.append((name, Failure(error))) }
        }
        guard !reports.isEmpty else { return }
        let agent = if let known { known } else { await AgentView.ask(session) }
        var grants = agent.renewalGrants(session)
        let compromised = (try? store.compromisedKeys()) ?? []
        for index in reports.indices {
            reports[index].take(try? await session.store.renewalRecord(named: reports[index].certificate.name))
            let key = reports[index].certificate.metadata.key
            reports[index].keyFault = compromised.contains(key.fingerprint) ? .compromised : agent.fault(of: key.name)
            reports[index].grantLack = await grants?.lack(of: reports[index].certificate)
        }
    }

    /// What needs attention, one line each. What a timer will do is left out.
    func attention(now: Int64 = Session.now) -> [String] {
        reports.compactMap { report in report.concern.map { "\(report.certificate.name): \($0.sentence(report))" } }
            + interrupted.filter { $0.hasFailed || now &- $0.started > StoreContents.longInterruption }.map { journal in
                let what = journal.hasFailed ? "failed" : "was interrupted"
                return "\(journal.name): its order \(what), started \(Wording.moment(journal.started, from: now))"
            }
            + awaited.filter { now &- $0.requested > StoreContents.longWait }.map { awaited in
                "\(awaited.name): its certificate was requested \(Wording.moment(awaited.requested, from: now)), and is still awaited "
                    + "(acme-agent import \(awaited.name) FILE)"
            }
            + damaged.map { "\($0.name): \($0.failure.message)" }
    }

    /// Of which certificates nobody would know that their CA has revoked them.
    /// - Parameter isOn: whether lists are looked at; whoever has turned that off knows it.
    func unlooked(_ isOn: Bool) -> String {
        let names = isOn ? reports.filter { $0.unlooked != nil }.map(\.certificate.name.rawValue) : []
        return names.isEmpty ? "" : "; whether CAs have revoked them is not looked at (acme-agent show says why): \(Wording.list(names))"
    }

    /// Which certificate expires first, and when; expired and revoked ones do not count.
    func nextExpiry(now: Int64 = Session.now) -> String? {
        let first = reports.filter { !$0.certificate.isRevoked && $0.certificate.metadata.notAfter >= now }
            .min { $0.certificate.metadata.notAfter < $1.certificate.metadata.notAfter }
        return first.map { "\($0.certificate.name) is the first to expire, \(Wording.moment($0.certificate.metadata.notAfter, from: now))" }
    }

    /// Seconds after which an interrupted order that was not resumed is reported: a timer runs once a day.
    private static let longInterruption: Int64 = 2 * 86_400
    /// Seconds after which a certificate that did not arrive is reported: people check such requests.
    private static let longWait: Int64 = 14 * 86_400
}

extension Session {
    /// What is remembered for a certificate's renewal; `nil` if that was another certificate.
    func renewalRecord(of certificate: StoredCertificate) async -> RenewalRecord? {
        let record = try? await store.renewalRecord(named: certificate.name)
        return record?.serial == certificate.metadata.serial ? record : nil
    }
}
