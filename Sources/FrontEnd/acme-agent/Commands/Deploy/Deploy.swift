import ArgumentParser
import Glibc
import Issuance

struct Deploy: AgentCommand {
    static let stateUse = StateUse.read
    static let configuration = CommandConfiguration(
        abstract: "Show how a server serves with a certificate, or check that it does.",
        discussion: """
            Prints every step for this server, certificate and machine, and changes nothing. With --check it tests \
            whether the set-up works, says what to fix first, and exits with 6 unless everything is in order. For the \
            test the agent signs a made-up handshake for the server's user, which the audit trail records; only root \
            can act as that user.

            Example: acme-agent deploy nginx www.example.org
            """)

    @Argument(help: ArgumentHelp("\(ServerKind.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "server"))
    var server: ServerKind

    @Argument(help: ArgumentHelp("The certificate's name.", valueName: "name"), completion: .custom(CertificateNameCompletion.names))
    var name: String

    @Flag(help: "Test whether the server can serve with the key, and what it serves.")
    var check = false

    @Option(
        help: ArgumentHelp("Where the server listens, for --check. (default: its usual port on localhost)", valueName: "host:port"))
    var connect: String?

    @Option(help: ArgumentHelp("The user of the server's processes. (default: the one that this machine has)", valueName: "user"))
    var user: String?

    @Option(help: ArgumentHelp("The group that they keep. (default: the one that this machine has)", valueName: "group"))
    var group: String?

    @Option(
        help: ArgumentHelp("The folder that they see as /; none if there is none. (default: the configured one)", valueName: "folder"),
        completion: .directory)
    var chroot: String?

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if connect != nil, !check { throw ValidationError("--connect has no effect without --check") }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        let name = try session.certificateName(argument: name)
        guard let certificate = try await session.store.certificate(named: name) else { throw IssuanceError.notFound(name) }
        let address =
            try connect.map { text throws in try ServerAddress(argument: text) }
            ?? ServerAddress(host: "localhost", port: server.template.port)
        let choices = Deployment.Choices(user: user, group: group, chroot: chroot, address: address)
        let deployment = try await Deployment(server, certificate, choices, session)
        if check {
            let findings = try await DeploymentCheck(deployment: deployment, address: address, session: session).findings()
            return try report(findings, deployment, session.output)
        }
        let steps = DeploymentPlan(deployment: deployment, given: session.output.given, isRoot: geteuid() == 0).steps
        let text = steps.enumerated().map { $1.text(number: $0 + 1) }.joined(separator: "\n\n")
        try session.output.result(text) { json in
            json.name("deploy")
            json.beginObject()
            json.member("server", server.rawValue)
            json.member("certificate", name.rawValue)
            json.member("key", deployment.keyName.rawValue)
            json.member("serverUser", deployment.user.name)
            json.member("serverGroup", deployment.groupName)
            json.member("socket", deployment.serverSocket)
            json.member("chroot", ifPresent: deployment.chroot)
            json.name("steps")
            json.beginArray()
            for step in steps { step.write(to: &json) }
            json.endArray()
            json.endObject()
        }
        return .success
    }

    private func report(_ findings: [DeploymentFinding], _ deployment: Deployment, _ output: Output) throws -> ExitStatus {
        var list = FieldList()
        for finding in findings {
            let tint: Tint = finding.state == .failed ? .alarm : finding.state == .unknown ? .notice : .none
            list.add(finding.condition.rawValue, ["\(finding.state.rawValue): \(finding.message)"], tint)
        }
        let first = DeploymentFinding.first(of: findings)
        try output.result(list.text(for: .standardOutput)) { json in
            json.name("check")
            json.beginObject()
            json.member("server", server.rawValue)
            json.member("certificate", deployment.certificate.name.rawValue)
            json.member("passed", first == nil)
            json.name("checks")
            json.beginArray()
            for finding in findings { finding.write(to: &json) }
            json.endArray()
            json.endObject()
        }
        guard let first else { return .success }
        let what = first.state == .failed ? first.message : "not everything can be seen from here: \(first.message)"
        output.report(Failure("not-deployed", .attention, what, hint: first.hint), json: false)
        return .attention
    }
}
