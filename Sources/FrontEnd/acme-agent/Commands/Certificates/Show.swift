import ACME
import ArgumentParser
import CertificateStore
import DurableFile
import Glibc
import Issuance

struct Show: AgentCommand {
    static let stateUse = StateUse.read
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text, pem, der, p7b

        var export: ExportFormat? { ExportFormat(rawValue: rawValue) }
    }

    static let configuration = CommandConfiguration(
        abstract: "Show a certificate, or export it.",
        discussion: """
            pem is the whole chain, der only the certificate, p7b the chain as PKCS #7 (Windows, Java).

            Example: acme-agent show www.example.org --format pem --out chain.pem
            """)

    @Argument(help: ArgumentHelp("The certificate's name.", valueName: "name"), completion: .custom(CertificateNameCompletion.names))
    var name: String

    @Option(help: "text, pem, der or p7b.")
    var format = Format.text

    @Option(help: ArgumentHelp("Write to this file; - is standard output.", valueName: "file"), completion: .file())
    var out: String?

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let name = try session.certificateName(argument: name)
        guard let certificate = try await session.store.certificate(named: name) else { throw IssuanceError.notFound(name) }
        var report = CertificateReport(certificate)
        report.take(try? await session.store.renewalRecord(named: name))
        let hooks = HookRecord.read(name, stateDirectory: session.settings.stateDirectory)
        let rootDeploy = await RootDeployState.of(certificate, session)
        // Root alone can read what they printed.
        let rootHooks = rootDeploy.flatMap { _ in HookRecord.read(name, stateDirectory: session.settings.rootDeployDirectory) }
        var text = session.output.given.named(report.text)
        if let rootDeploy { text += "\n" + Show.text(rootDeploy) }
        if session.output.verbosity == .verbose, let rootHooks { text += "\n" + Show.text(rootHooks) }
        if session.output.verbosity == .verbose, let hooks { text += "\n" + Show.text(hooks) }
        let bytes = format.export.map { certificate.chain.exported(as: $0) } ?? Array((text + "\n").utf8)
        let isStandardOutput = try out.map { try $0 == "-" || DurableFile.ownDescriptor(named: $0) == STDOUT_FILENO } ?? false
        if isStandardOutput, session.output.isJSON {
            throw Failure.usage("--json and --out to standard output cannot be combined", hint: "--json without --out has the chain as pem")
        }
        if let out, !isStandardOutput {
            try DurableFile.write(bytes, toNamed: out, mode: 0o644)
            let line = "wrote \(TerminalText.safe(out)) (\(format.rawValue), \(Wording.count(bytes.count, "byte")))"
            // A line after the bytes, in the same file, would corrupt them.
            guard session.output.isJSON || !Output.leads(out, to: STDOUT_FILENO) else {
                if !Output.leads(out, to: STDERR_FILENO) { session.output.note(line) }
                return .success
            }
            try session.output.result(line) { json in
                json.name("certificate")
                report.write(to: &json)
                json.member("file", out)
                json.member("format", format.rawValue)
            }
        } else if session.output.isJSON {
            try session.output.result("") { json in
                json.name("certificate")
                report.write(to: &json, withPEM: true)
                if let hooks {
                    json.name("deployHooks")
                    hooks.write(to: &json)
                }
                json.member("rootDeploy", ifPresent: rootDeploy?.rawValue)
                if let rootHooks {
                    json.name("rootDeployHooks")
                    rootHooks.write(to: &json)
                }
            }
        } else {
            guard format == .text || format == .pem || !Output.isStandardOutputTerminal else {
                throw Failure.usage("\(format.rawValue) is binary and not written to a terminal", hint: "--out FILE")
            }
            try session.output.write(bytes)
        }
        return .success
    }

    private static func text(_ state: RootDeployState) -> String {
        var list = FieldList()
        list.add("root's hooks", state == .done ? "have run for this certificate" : "have not run for this certificate")
        return list.text
    }

    /// The last run of each deploy hook, with what it printed.
    static func text(_ hooks: HookRecord) -> String {
        var list = FieldList()
        for run in hooks.runs {
            let end = run.failure.map { "failed: \($0)" } ?? "succeeded for generation \(hooks.generation): \(run.program)"
            list.add("deploy hook", ["\(RFC3339.string(run.time)) \(end)"] + run.output.map { "  | \($0)" })
        }
        return list.text
    }
}
