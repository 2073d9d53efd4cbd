import ACME
import ArgumentParser
import CertificateStore

struct List: AgentCommand {
    static let stateUse = StateUse.read
    static let configuration = CommandConfiguration(
        abstract: "List the stored certificates.",
        discussion: """
            With --check the exit status is 6 if something needs attention: a certificate that has expired, is overdue \
            for renewal or was revoked by its CA; a key that is retired or gone; a renewal that no grant allows; a \
            deploy hook that failed; a file that cannot be read; an order that failed, or that was interrupted more \
            than two days ago.

            Example: acme-agent list --check
            """)

    @Flag(help: "Exit with 6 if something needs attention.")
    var check = false

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let contents = try await StoreContents(session)
        let interrupted = contents.interrupted,
            isEmpty = contents.reports.isEmpty && interrupted.isEmpty && contents.awaited.isEmpty && contents.damaged.isEmpty
        if isEmpty { session.output.note("no certificates in \(TerminalText.safe(session.settings.stateDirectory))") }
        for (name, failure) in contents.damaged { session.output.reportPart(failure, of: name.rawValue) }
        for report in contents.reports {
            guard let concern = report.concern,
                [.revokedByCA, .keyCompromised, .keyGone, .keyRetired, .hookFailed, .notGranted, .requestDue].contains(concern)
            else {
                continue
            }
            // Wrapped last: a command in it gets this command's global options.
            let sentence = session.output.given.added(to: "\(report.certificate.name): \(concern.sentence(report))")
            let lines = Wording.wrapped(sentence, width: Terminal.standardOutput.width ?? .max)
            session.output.note(lines.joined(separator: "\n"))
        }
        let failed = interrupted.filter(\.hasFailed), cutOff = interrupted.filter { !$0.hasFailed }
        if !failed.isEmpty {
            session.output.note("failed: \(Wording.list(failed.map(\.name.rawValue)))")
            session.output.note("acme-agent: hint: `acme-agent renew NAME` tries again, `acme-agent forget --order NAME` drops the order")
        }
        if !cutOff.isEmpty {
            session.output.note("interrupted: \(Wording.list(cutOff.map(\.name.rawValue)))")
            session.output.note("acme-agent: hint: `acme-agent renew NAME` resumes it, `acme-agent forget --order NAME` drops the order")
        }
        if !contents.awaited.isEmpty {
            session.output.note("awaited: \(Wording.list(contents.awaited.map(\.name.rawValue)))")
            session.output.note("acme-agent: hint: `acme-agent import NAME FILE` takes what the CA sends back")
        }
        try session.output.result(isEmpty ? "" : List.table(contents).text(for: .standardOutput)) { json in
            json.name("certificates")
            json.beginArray()
            for report in contents.reports { report.write(to: &json) }
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
            json.name("awaited")
            json.beginArray()
            for awaited in contents.awaited {
                json.beginObject()
                awaited.writeMembers(to: &json)
                json.endObject()
            }
            json.endArray()
            json.name("damaged")
            Failure.write(contents.damaged, to: &json)
        }
        if check, !contents.attention().isEmpty { return .attention }
        return contents.damaged.isEmpty ? .success : .failed
    }

    static func table(_ contents: StoreContents) -> TextTable {
        var table = TextTable(["CERTIFICATE", "STATE", "EXPIRES", "LEFT", "RENEWAL", "NAMES"], tinted: 1)
        for report in contents.reports {
            let metadata = report.certificate.metadata
            let tint: Tint = report.concern != nil ? .alarm : report.state == .valid ? .none : .notice
            table.add(
                [
                    report.certificate.name.rawValue, report.word, Wording.day(metadata.notAfter), report.left,
                    report.renewal.map(Wording.day) ?? "-", Wording.list(metadata.identifiers, limit: 3),
                ], tint)
        }
        let known = Set(contents.reports.map(\.certificate.name))
        for journal in contents.interrupted where !known.contains(journal.name) {
            let names = Wording.list(journal.identifiers, limit: 3)
            table.add([journal.name.rawValue, journal.hasFailed ? "failed" : "interrupted", "-", "-", "-", names], .notice)
        }
        for awaited in contents.awaited where !known.contains(awaited.name) {
            table.add([awaited.name.rawValue, "awaited", "-", "-", "-", Wording.list(awaited.identifiers, limit: 3)], .notice)
        }
        for (name, _) in contents.damaged where !known.contains(name) {
            table.add([name.rawValue, "damaged", "-", "-", "-", "-"], .alarm)
        }
        return table
    }
}
