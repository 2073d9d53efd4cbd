import ACME
import ArgumentParser
import AuditTrail
import StrictJSON

struct AuditVerify: AgentCommand {
    static let stateUse = StateUse.none
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Verify that the audit trail is whole and unchanged.",
        discussion: """
            Reads the files directly, so it needs permission to read them; the agent may be running. Only a head \
            noted earlier proves that the trail was not truncated or rewritten: --expect SEQUENCE:HASH, as this \
            command prints it. The exit status is 1 if the trail is broken.

            Example: acme-agent audit verify
            """)

    @Argument(
        help: ArgumentHelp("The trail's current file. (default: \(Settings.defaultAuditFile))", valueName: "file"), completion: .file())
    var file: String?

    @Option(help: ArgumentHelp("A head that must be in the trail; may be repeated.", valueName: "sequence:hash"))
    var expect: [String] = []

    @Flag(help: "Accept that the oldest files are missing.")
    var partial = false

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        var heads: [AuditHead] = []
        for text in expect {
            guard let head = AuditHead(text) else {
                throw Failure.usage(
                    "\"\(TerminalText.safe(text, limit: 100))\" is not SEQUENCE:HASH", hint: "as `acme-agent audit verify` printed it")
            }
            heads.append(head)
        }
        let path = file ?? session.settings.auditFile
        let report = try AuditVerifier(path: path, expecting: heads, acceptsMissingBeginning: partial).verify()
        let failure = report.fault.map(AuditVerify.failure)
        if let failure { session.output.report(failure, json: false) }
        try session.output.result(failure == nil ? AuditVerify.text(report) : "") { json in
            json.name("audit")
            AuditVerify.write(report, to: &json)
            if let failure {
                json.name("error")
                failure.write(to: &json)
            }
        }
        return failure?.exitStatus ?? .success
    }

    static func failure(_ fault: AuditFault) -> Failure {
        Failure(
            "audit-\(fault.kind.rawValue)", .failed, "the audit trail is broken: \(TerminalText.safe(fault.description))",
            hint: "keep the files as they are: records after this line cannot be trusted")
    }

    private static func text(_ report: AuditReport) -> String {
        var list = FieldList()
        list.add("audit trail", report.gaps.contains(where: \.isLoss) ? "whole, except for the records that it reports missing" : "whole")
        list.add("records", "\(report.records)" + (report.first.map { $0 > 0 ? ", from \($0) on" : "" } ?? ""))
        list.add(
            "of these",
            AuditRecord.Kind.allCases.compactMap { kind in report.kinds[kind].map { "\($0) \(kind.rawValue)" } }.joined(separator: ", "))
        list.add("files", report.files)
        list.add("trail", report.trail)
        list.add("head", report.head?.description)
        list.add("gaps", report.gaps.map { TerminalText.safe($0.description) })
        if report.unfinishedBytes > 0 { list.add("unfinished", "\(report.unfinishedBytes) bytes after the last record") }
        return list.text
    }

    static func write(_ report: AuditReport, to json: inout JSONWriter) {
        json.beginObject()
        json.member("whole", report.isWhole)
        json.member("records", report.records)
        if let first = report.first { json.member("first", first) }
        json.member("trail", ifPresent: report.trail)
        json.member("head", ifPresent: report.head?.description)
        json.member("files", report.files)
        json.member("unfinishedBytes", report.unfinishedBytes)
        json.name("gaps")
        json.beginArray()
        for gap in report.gaps {
            json.beginObject()
            json.member("sequence", gap.sequence)
            json.member("file", gap.file)
            if let missing = gap.missing {
                json.member("missingFrom", missing.lowerBound)
                json.member("missingThrough", missing.upperBound)
            }
            json.member("loss", gap.isLoss)
            json.member("reason", gap.reason)
            json.endObject()
        }
        json.endArray()
        json.name("kinds")
        json.beginObject()
        for kind in AuditRecord.Kind.allCases { if let count = report.kinds[kind] { json.member(kind.rawValue, count) } }
        json.endObject()
        if let fault = report.fault {
            json.name("fault")
            json.beginObject()
            json.member("kind", fault.kind.rawValue)
            json.member("file", fault.file)
            json.member("line", fault.line)
            if let sequence = fault.sequence { json.member("sequence", sequence) }
            json.member("message", fault.message)
            json.endObject()
        }
        json.endObject()
    }
}
