import ACME
import ArgumentParser
import CertificateStore
import Glibc
import StrictJSON

struct RootDeploy: AgentCommand {
    // Root must not become the store's owner: it is the owner who is not trusted.
    static let stateUse = StateUse.read
    static let configuration = CommandConfiguration(
        commandName: "root-deploy", abstract: "Run root's deploy hooks for new certificates.",
        discussion: """
            For each certificate for which root-deploy-hook in the configuration names programs, root copies what the \
            user who renews has stored, and runs the programs that have not succeeded for it yet: PROGRAM NAME FOLDER, \
            with the folder of the copy. Configuration, programs and copies must belong to root. A certificate for \
            other names is refused, and so are one of a CA that root does not trust (root-deploy-trust; a \
            [[certificate]] with a hook of its own may be of any CA), links, and files other than certificates. \
            root-failure-hook names a program that is told of failures. acme-agent-deploy.service runs this command \
            after each renewal.

            Example: acme-agent root-deploy --all
            """)

    @Argument(help: ArgumentHelp("Names of certificates.", valueName: "name"), completion: .custom(CertificateNameCompletion.names))
    var names: [String] = []

    @Flag(help: "All certificates that have such hooks.")
    var all = false

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if names.isEmpty != all { throw ValidationError(all ? "--all and names cannot be combined" : "which certificates? NAME or --all") }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        guard geteuid() == 0 else {
            throw Failure("not-root", .usage, "root-deploy runs programs as root, so only root can use it", hint: "run it with sudo")
        }
        var names: [CertificateName] = []
        for text in self.names { names.append(try CertificateName(text)) }
        let work = try RootDeployment(session, options)
        try RootProcess.settle()
        let report = try await Interruption.cancelling(notice: {}) { [names, all] in
            all ? try await work.runAll() : try await work.run(names)
        }
        var lines = report.deployed.map {
            "\($0.certificate.name): \(Wording.count($0.hooks.count, "hook")) ran; files: \($0.certificate.folder ?? "")"
        }
        if session.output.verbosity > .quiet {
            lines += report.unchanged.map { "\($0): nothing to do" }
            if report.isEmpty { session.output.note("there is nothing to deploy: root-deploy-hook names no program for a certificate") }
        }
        try session.output.result(lines.joined(separator: "\n")) { json in
            json.name("deployed")
            json.beginArray()
            for entry in report.deployed {
                json.beginObject()
                json.name("certificate")
                CertificateReport(entry.certificate).write(to: &json)
                json.member("hooks", entry.hooks)
                json.endObject()
            }
            json.endArray()
            json.member("unchanged", report.unchanged.map(\.rawValue))
            json.name("failed")
            Failure.write(report.failed, to: &json)
        }
        return Renew.status(report.failed.map(\.failure.exitStatus))
    }
}
