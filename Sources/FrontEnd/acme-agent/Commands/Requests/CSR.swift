import ACME
import ArgumentParser
import CertificateStore
import DurableFile
import Glibc
import Issuance
import JOSE
import StrictJSON

struct CSR: AgentCommand {
    static let stateUse = StateUse.made
    static let configuration = CommandConfiguration(
        commandName: "csr", abstract: "Make a certificate request (PKCS #10) for a CA without ACME.",
        discussion: """
            The key is made in the token and stays there. The certificate is awaited from then on: the same command \
            makes a request for the same key again, `acme-agent import` takes what the CA sends back, and `acme-agent \
            forget` drops it.

            Example: acme-agent csr intranet -d intranet.example.org --out csr.pem
            """)

    @Argument(
        help: ArgumentHelp("The name under which the certificate is stored.", valueName: "name"),
        completion: .custom(CertificateNameCompletion.names))
    var name: String

    @Option(
        name: [.customShort("d"), .customLong("domain")],
        help: ArgumentHelp(
            "A DNS name, a wildcard or an IP address; may be repeated. (default: those requested before, or that the certificate has)",
            valueName: "name"))
    var domains: [String] = []

    @Option(help: ArgumentHelp("The key's name in the agent; the key is made if it does not exist.", valueName: "key"))
    var key: String?

    @Option(
        help: ArgumentHelp(
            "Type of a new key: \(KeyAlgorithm.choices). (default: the configuration's, or \(Settings.defaultKeyType.rawValue))",
            valueName: "type"),
        completion: .list(KeyAlgorithm.allCases.map(\.rawValue)))
    var keyType: String?

    @Flag(help: "Make a new key even if the certificate has one.")
    var newKey = false

    @Option(help: ArgumentHelp("The token for a new key. (default: the agent's first)", valueName: "token"))
    var token: String?

    @Flag(inversion: .prefixedNo, help: "Request the TLS feature \"must staple\" (RFC 7633).")
    var mustStaple: Bool?

    @Flag(help: "Write DER instead of PEM.")
    var der = false

    @Option(help: ArgumentHelp("Write to this file; - is standard output.", valueName: "file"), completion: .file())
    var out: String?

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let name = try session.certificateName(argument: name)
        let own = session.settings.ownSettings(name.rawValue)
        let type = try keyType.map { try KeyAlgorithm(argument: $0) }
        var wish = CertificateRequests.Wish(
            name: name, identifiers: try Issue.identifiers(domains), key: try key.map { try KeyName(argument: $0) },
            keyAlgorithm: type ?? own.keyType ?? session.settings.certificate.keyType ?? Settings.defaultKeyType, newKey: newKey,
            mustStaple: mustStaple)
        wish.isKeyAlgorithmWanted = type != nil
        let isStandardOutput = try out.map { try $0 == "-" || DurableFile.ownDescriptor(named: $0) == STDOUT_FILENO } ?? true
        if der, isStandardOutput, !session.output.isJSON, Output.isStandardOutputTerminal {
            throw Failure.usage("der is binary and not written to a terminal", hint: "--out FILE")
        }
        if out != nil, isStandardOutput, session.output.isJSON {
            throw Failure.usage(
                "--json and --out to standard output cannot be combined", hint: "--json without --out has the request as pem")
        }
        if let out, !isStandardOutput { try CSR.check(out, name) }
        let display = ProgressDisplay(session.output)
        let (awaited, request) = try await session.followed(display) { [wish, token] _ in
            let keys = try await session.keys(token: token)
            let requests = CertificateRequests(store: session.store, keys: keys, observer: display.observer)
            let (awaited, _) = try await requests.request(wish)
            let request = try await session.agent().certificateRequest(
                key: awaited.key, identifiers: awaited.identifiers, mustStaple: awaited.mustStaple)
            return (awaited, request)
        }
        let pem = PEM.encode(request, label: "CERTIFICATE REQUEST")
        let bytes = der ? request : Array(pem.utf8)
        session.output.note(
            "\(name): awaited for \(Wording.list(awaited.identifiers)), key \(awaited.key) (acme-agent import \(name) FILE takes what the CA "
                + "sends back)")
        if let out, !isStandardOutput {
            try DurableFile.write(bytes, toNamed: out, mode: 0o644)
            try session.output.result("wrote \(TerminalText.safe(out)) (\(Wording.count(bytes.count, "byte")))") {
                write(awaited, pem, &$0)
            }
        } else if session.output.isJSON {
            try session.output.result("") { write(awaited, pem, &$0) }
        } else {
            try session.output.write(bytes)
        }
        return .success
    }

    /// Before a key is made: whether the request can be written.
    private static func check(_ path: String, _ name: CertificateName) throws {
        let kind = (try? FileStatus(at: path))?.kind
        // A file is replaced in its folder; a device or a pipe is written into; a link may lead anywhere.
        guard kind == nil || kind == .file else { return }
        let folder = DurableFile.split(path).folder
        guard access(folder, W_OK | X_OK) != 0 else { return }
        let code = errno
        var failure = Failure(FileError(path: path, call: "write", code: code))
        if code == EACCES {
            failure.hint =
                "the user to whom the state directory belongs writes it; your shell can do that: acme-agent csr \(name) >FILE"
        }
        throw failure
    }

    private func write(_ awaited: AwaitedCertificate, _ pem: String, _ json: inout JSONWriter) {
        json.name("request")
        json.beginObject()
        awaited.writeMembers(to: &json)
        json.member("pem", pem)
        json.member("file", ifPresent: out)
        json.endObject()
    }
}

extension AwaitedCertificate {
    func writeMembers(to json: inout JSONWriter) {
        json.member("name", name.rawValue)
        json.name("identifiers")
        json.beginArray()
        for identifier in identifiers { identifier.write(to: &json) }
        json.endArray()
        json.member("key", key.rawValue)
        json.member("requested", RFC3339.string(requested))
    }
}
