import ACME
import ArgumentParser
import CertificateStore
import Issuance
import JOSE

struct Issue: AgentCommand {
    static let configuration = CommandConfiguration(
        abstract: "Get a certificate for one or more names.",
        discussion: """
            The key is made in the token and stays there. An order that was interrupted is resumed. How the certificate was ordered is \
            remembered for its renewals.
            """)

    @OptionGroup(title: "Certificate") var subject: SubjectOptions
    @OptionGroup(title: "Order") var certificate: CertificateOptions
    @OptionGroup(title: "Global") var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let identifiers = try Issue.identifiers(subject.domains)
        guard let first = identifiers.first else { throw Failure.usage("a certificate needs a name", hint: "-d NAME") }
        let name = try subject.name.map { try CertificateName($0) } ?? CertificateName(first)
        let given = try certificate.settings
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        let settings = session.settings.certificate(named: name.rawValue, given: given, remembered: CertificateSettings())
        let request = IssuanceRequest(
            name: name, identifiers: identifiers, profile: settings.profile, key: try subject.key.map { try KeyName(argument: $0) },
            keyAlgorithm: settings.keyType ?? Settings.defaultKeyType, newKey: certificate.newKey, oldKey: try certificate.oldKeyChoice,
            mustStaple: subject.mustStaple, preferredRoot: settings.preferredChain)
        let display = ProgressDisplay(session.output)
        let outcome = try await session.followed(display, timings: certificate.timings) { [token = subject.token] timings in
            let keys = try await session.keys(token: token)
            let outcome = try await session.withFlow(at: session.settings.directory, keys: keys, settings, display, timings: timings) {
                // Before the first order, so that `renew` can go on with an interrupted one. Later ones change it when they have succeeded.
                if try await session.store.certificate(named: name) == nil { try memory.remember(given, for: name) }
                do { return try await $0.issue(request) } catch {
                    // Nothing is left of a refused order that they could be for.
                    if case .some(.none) = try? await session.store.journal(named: name),
                        case .some(.none) = try? await session.store.certificate(named: name)
                    {
                        try? memory.forget(name)
                    }
                    throw error
                }
            }
            try memory.remember(given, for: name)
            return outcome
        }
        let report = CertificateReport(outcome)
        try session.output.result(report.brief) { json in
            json.name("certificate")
            report.write(to: &json)
            json.member("resumed", outcome.wasResumed)
        }
        return .success
    }

    /// In the order given, each once. A comma may stand between names too, and spaces around it.
    static func identifiers(_ texts: [String]) throws(Failure) -> [Identifier] {
        var result: [Identifier] = []
        for list in texts {
            for part in list.split(separator: ",", omittingEmptySubsequences: false) {
                let text = String(part.trimming { $0 == " " || $0 == "\t" })
                guard !text.isEmpty else {
                    throw .usage(
                        "a name is missing in \"\(TerminalText.safe(list, limit: 100))\"",
                        hint: "-d NAME, or -d NAME,NAME without a comma at the end")
                }
                do {
                    let identifier = try Identifier(argument: text)
                    if !result.contains(identifier) { result.append(identifier) }
                } catch { throw refusal(of: text, error) }
            }
        }
        return result
    }

    /// Says of a URL, or of a name with a port or a path, what it is.
    private static func refusal(of text: String, _ error: IdentifierError) -> Failure {
        let shown = "\"\(TerminalText.safe(text, limit: 100))\""
        guard text.contains("/") || text.contains(":"), let host = Origin.meant(by: text)?.host else {
            return .usage("\(shown) cannot be in a certificate: \(error)")
        }
        let what = text.contains("://") ? "is a URL" : text.contains("/") ? "has a path" : "has a port"
        return .usage("\(shown) \(what); a certificate is for names and addresses alone", hint: "give the name alone: -d \(host)")
    }
}

extension StringProtocol {
    /// Without such letters at both ends.
    fileprivate func trimming(_ isLeftOut: (Character) -> Bool) -> SubSequence {
        var rest = drop(while: isLeftOut)
        while let last = rest.last, isLeftOut(last) { rest.removeLast() }
        return rest
    }
}

/// What the certificate is for, and whose key it gets.
struct SubjectOptions: ParsableArguments {
    @Option(
        name: [.customShort("d"), .customLong("domain")],
        help: ArgumentHelp("A DNS name or an IP address; may be repeated. \"*.\" in front is a wildcard.", valueName: "name"))
    var domains: [String] = []

    @Option(help: ArgumentHelp("The certificate's name here. (default: its first name)", valueName: "certificate"))
    var name: String?

    @Option(help: ArgumentHelp("The certificate key's name in the agent; made if it is not there.", valueName: "key"))
    var key: String?

    @Option(help: ArgumentHelp("The token for a new key. (default: the agent's first)", valueName: "token"))
    var token: String?

    @Flag(help: "Ask for the TLS feature \"must staple\" (RFC 7633).")
    var mustStaple = false

    func validate() throws {
        if domains.isEmpty { throw ValidationError("a certificate needs a name: -d NAME") }
    }
}
