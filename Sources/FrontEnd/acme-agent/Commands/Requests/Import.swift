import ACME
import ArgumentParser
import CertificateStore
import DurableFile
import Glibc
import Issuance
import JOSE

struct Import: AgentCommand {
    static let stateUse = StateUse.made
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Store a certificate that was made elsewhere, for a key in the token.",
        discussion: """
            It is what a CA sends back for `acme-agent csr`, or, with --key, a certificate for any key of the agent. It \
            is checked as one that was ordered, and the deploy hooks run. Without --acme no CA renews it: `acme-agent \
            renew --all` and `acme-agent status` say in time that another request is due.

            Example: acme-agent import intranet chain.pem
            """)

    @Argument(
        help: ArgumentHelp("The name under which the certificate is stored.", valueName: "name"),
        completion: .custom(CertificateNameCompletion.names))
    var name: String

    @Argument(
        help: ArgumentHelp("PEM, DER or PKCS #7, in any order. (default: standard input)", valueName: "file"),
        completion: .file(extensions: ["pem", "crt", "cer", "der", "p7b"]))
    var file: String?

    @Option(help: ArgumentHelp("The key's name in the agent. (default: the awaited certificate's)", valueName: "key"))
    var key: String?

    @Flag(
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Let the ACME CA that --ca names, or the default one, renew it from now on; --no-acme lets it take the place of one that an "
                + "ACME CA renews."))
    var acme: Bool?

    @Flag(help: "Take the certificate with its own names, if they are not those that were requested.")
    var acceptNames = false

    @OptionGroup(title: "Renewals, with --acme; hooks and keys") var certificate: CertificateOptions
    @OptionGroup(title: "Global") var options: GlobalOptions

    private static let always = ["--deploy-hook", "--failure-hook", "--old-key", "--old-key-grace"]
    private static let never = ["--new-key", "--timings"]

    func run(_ session: Session) async throws -> ExitStatus {
        let name = try session.certificateName(argument: name)
        let isACME = acme == true
        let useless = certificate.given.filter { Import.never.contains($0) || !isACME && !Import.always.contains($0) }
        if let first = useless.first {
            throw Failure.usage(
                "\(first) has no effect here", hint: Import.never.contains(first) ? nil : "--acme lets an ACME CA renew the certificate")
        }
        if !isACME, session.settings.isDirectoryGiven {
            throw Failure.usage("without --acme no CA renews the certificate", hint: "add --acme, or omit the CA")
        }
        let certificates = try ReceivedCertificates.read(try content(name))
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        let remembered = try Issue.remembered(memory, name, session.output)
        var given = try certificate.settings
        let directory = isACME ? session.settings.cas(of: name.rawValue).first.directory : nil
        if let directory {
            given.caCertificate = try options.caCertificate.map { .init(directory: directory, file: try AbsolutePath.of($0)) }
        }
        let settings = session.settings.certificate(named: name.rawValue, given: given, remembered: remembered)
        try Hooks.check(settings)
        try session.settings.checkKeyFileGroup()
        let oldKey = try certificate.oldKeyChoice(of: try await session.store.certificate(named: name), session)
        var arrival = CertificateRequests.Arrival(
            name: name, certificates: certificates, key: try key.map { try KeyName(argument: $0) }, acceptsNames: acceptNames,
            directory: directory,
            deploy: settings.deployHooks.map { Hooks.deploy($0, stateDirectory: session.settings.stateDirectory, oldKey: oldKey) },
            oldKeyGrace: .seconds(settings.oldKeyGrace ?? CertificateSettings.defaultOldKeyGrace))
        arrival.endsRenewal = acme == false
        arrival.oldKey = oldKey
        let display = ProgressDisplay(session.output)
        let (stored, isNew) = try await session.followed(display) { [arrival, settings] _ in
            let requests = CertificateRequests(store: session.store, keys: try await session.keys(), observer: display.observer)
            return try await session.callingFailureHook(of: name, settings) { try await requests.install(arrival) }
        }
        let kept = given.over(remembered)
        if kept != remembered { try memory.remember(kept, for: name) }
        if !isNew { session.output.note("the certificate is installed already") }
        let report = CertificateReport(stored)
        try session.output.result(report.brief) { json in
            json.name("certificate")
            report.write(to: &json)
            json.member("installed", isNew)
        }
        return .success
    }

    private func content(_ name: CertificateName) throws -> [UInt8] {
        if let file, file != "-" {
            do throws(FileError) { return try DurableFile.read(file, limit: Order.maximumChainSize) } catch {
                guard error.code == EACCES else { throw error }
                var failure = Failure(error)
                failure.hint =
                    "the user to whom the state directory belongs reads it; your shell can open it: acme-agent import \(name) <FILE"
                throw failure
            }
        }
        if Output.isStandardInputTerminal {
            throw Failure.usage("which file? NAME FILE", hint: "acme-agent import \(name) chain.pem")
        }
        var bytes: [UInt8] = [], buffer = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= Order.maximumChainSize {
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError(path: "/dev/stdin", call: "read", code: errno) }
            guard count > 0 else { break }
            bytes += buffer.prefix(count)
        }
        return bytes
    }
}
