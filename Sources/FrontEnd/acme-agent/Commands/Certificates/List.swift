import ACME
import ArgumentParser
import CertificateStore

struct List: AgentCommand {
    static let configuration = CommandConfiguration(abstract: "List the certificates that are kept here.")

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let store = session.store
        var reports: [CertificateReport] = []
        for name in try await store.certificateNames() {
            if let certificate = try await store.certificate(named: name) { reports.append(CertificateReport(certificate)) }
        }
        var interrupted: [OrderJournal] = []
        for name in try await store.journalNames() {
            if let journal = try await store.journal(named: name) { interrupted.append(journal) }
        }
        var table = TextTable(["CERTIFICATE", "STATE", "EXPIRES", "RENEWAL", "KEY", "NAMES"])
        for report in reports {
            let metadata = report.certificate.metadata
            table.add([
                report.certificate.name.rawValue, report.state.rawValue, Wording.day(metadata.notAfter),
                report.renewal.map(Wording.day) ?? "-",
                metadata.key.name.rawValue, Wording.list(metadata.identifiers, limit: 3),
            ])
        }
        for journal in interrupted where !reports.contains(where: { $0.certificate.name == journal.name }) {
            table.add([
                journal.name.rawValue, journal.hasFailed ? "failed" : "interrupted", "-", "-", journal.key?.rawValue ?? "-",
                Wording.list(journal.identifiers, limit: 3),
            ])
        }
        let isEmpty = reports.isEmpty && interrupted.isEmpty
        if isEmpty { session.output.note("no certificates in \(session.settings.stateDirectory)") }
        let failed = interrupted.filter(\.hasFailed), cutOff = interrupted.filter { !$0.hasFailed }
        if !failed.isEmpty {
            session.output.note("failed: \(Wording.list(failed.map(\.name.rawValue)))")
            session.output.note("acme-agent: hint: `acme-agent renew NAME` tries again, `acme-agent forget --order NAME` drops the order")
        }
        if !cutOff.isEmpty {
            session.output.note("interrupted: \(Wording.list(cutOff.map(\.name.rawValue)))")
            session.output.note("acme-agent: hint: `acme-agent renew NAME` goes on, `acme-agent forget --order NAME` drops the order")
        }
        try session.output.result(isEmpty ? "" : table.text) { json in
            json.name("certificates")
            json.beginArray()
            for report in reports { report.write(to: &json) }
            json.endArray()
            json.name("interrupted")
            json.beginArray()
            for journal in interrupted {
                json.beginObject()
                json.member("name", journal.name.rawValue)
                json.member("started", RFC3339.string(journal.started))
                json.member("directory", journal.directory.text)
                json.member("order", ifPresent: journal.order?.text)
                json.member("key", ifPresent: journal.key?.rawValue)
                json.member("failed", journal.hasFailed)
                json.endObject()
            }
            json.endArray()
        }
        return .success
    }
}
