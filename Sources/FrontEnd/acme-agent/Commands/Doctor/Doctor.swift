import ArgumentParser
import CertificateStore
import Issuance

struct Doctor: AgentCommand {
    // As who renews: what that user has written, and what CAs answer, is not read as root.
    static let stateUse = StateUse.expected
    static let configuration = CommandConfiguration(
        abstract: "Look for what would keep certificates from being issued, renewed and served, and say how to fix it.",
        discussion: """
            It examines the agent, its tokens and your grants; settings, store and clock; the CA and your account; and \
            for each certificate its renewal, its names in DNS (addresses, CAA) and what their servers serve. It \
            changes nothing and orders nothing. The exit status is 6 if something has to be fixed.

            Example: acme-agent doctor
            """)

    @Argument(help: ArgumentHelp("Certificates. (default: all)", valueName: "name"), completion: .custom(CertificateNameCompletion.names))
    var names: [String] = []

    @Option(
        help: ArgumentHelp("Where the names are served. (default: port 443 of each name)", valueName: "host:port"))
    var connect: String?

    @Option(help: ArgumentHelp("Ask this resolver. (default: those of /etc/resolv.conf)", valueName: "ip[:port]"))
    var dnsResolver: String?

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        var wanted: Set<CertificateName>?
        if !names.isEmpty {
            wanted = []
            for text in names {
                let name = try session.certificateName(argument: text)
                guard try await session.store.certificate(named: name) != nil else { throw IssuanceError.notFound(name) }
                wanted?.insert(name)
            }
        }
        let address = try connect.map { text throws in try ServerAddress(argument: text) }
        let examination = try Examination(session, wanted: wanted, connect: address, resolver: dnsResolver)
        let found = try await Interruption.cancelling(notice: {}) {
            let found = try await examination.findings()
            // What an interruption cut off would look like a failure of what was asked.
            try Task.checkCancellation()
            return found
        }
        try report(found, session.output)
        return found.contains { $0.state == .failed } ? .attention : .success
    }

    private func report(_ found: [Diagnosis], _ output: Output) throws {
        var list = FieldList()
        for check in Diagnosis.Check.allCases {
            let own = found.filter { $0.check == check }
            for diagnosis in own where diagnosis.state != .ok || output.verbosity >= .verbose || diagnosis.subject == nil {
                let tint: Tint = diagnosis.state == .failed ? .alarm : diagnosis.state == .unknown ? .notice : .none
                let subject = diagnosis.subject.map { "\($0): " } ?? ""
                var lines = ["\(diagnosis.state.rawValue): \(subject)\(diagnosis.message)"]
                if let hint = diagnosis.hint { lines.append("  hint: \(output.given.added(to: hint))") }
                list.add(check.rawValue, lines, tint)
            }
            let well = own.filter { $0.subject != nil && $0.state == .ok }.count
            if well > 0, output.verbosity < .verbose {
                list.add(check.rawValue, ["ok: \(Wording.count(well, "name", plural: "names"))"], .none)
            }
        }
        try output.result(list.text(for: .standardOutput)) { json in
            json.member("healthy", !found.contains { $0.state == .failed })
            json.name("checks")
            json.beginArray()
            for diagnosis in found { diagnosis.write(to: &json) }
            json.endArray()
        }
    }
}
