import ACME
import ArgumentParser
import CertificateStore
import Glibc
import Issuance
import StrictJSON

struct ChallengeTest: AgentCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Try whether a CA would see the answers to challenges; orders nothing.",
        discussion: """
            Presents a made-up answer for each name in each way that the configuration or the options give, looks for it \
            where a CA would look, from this host, and removes it. Exits with 5 unless every answer was seen. It sees \
            neither what a firewall keeps from others, nor what the CA's DNS says.

            Example: acme-agent challenge test www.example.org --webroot /var/www/html
            """)

    @Argument(help: ArgumentHelp("A name or an IP address.", valueName: "name"))
    var names: [String]

    @OptionGroup(title: "Challenge") var certificate: CertificateOptions
    @OptionGroup(title: "Global") var options: GlobalOptions

    /// The others say how a certificate is ordered.
    private static let ways = [
        "--http01-address", "--webroot", "--tls-alpn01-address", "--dns-hook", "--dns-cleanup-hook", "--hook-protocol", "--dns-update",
        "--dns-key", "--dns-resolver", "--dns-wait", "--dns-challenge",
    ]

    func validate() throws {
        if let other = certificate.given.first(where: { !Self.ways.contains($0) }) {
            throw ValidationError("\(other) has no effect here")
        }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        let identifiers = try Issue.identifiers(names)
        var options = certificate
        // Without a way that it belongs to, it says only where to look.
        if options.dnsUpdate == nil, !options.dnsPersist { options.dnsResolver = nil }
        let given = try options.settings
        let seen = try DNSUpdateSettings(server: DNSUpdateSettings.automatic, keyFile: nil, resolver: certificate.dnsResolver)
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        let findings = try await Interruption.cancelling(
            notice: {
                Output.write("acme-agent: interrupted: removing what was set up (interrupt again to end at once)\n", to: STDERR_FILENO)
            }
        ) {
            var findings: [ChallengeTrial.Finding] = []
            for identifier in identifiers {
                let name = CertificateName(identifier)
                let settings = session.settings.certificate(named: name.rawValue, given: given, remembered: try memory.read(name))
                let directory = session.settings.cas(of: name.rawValue).first.directory
                let account = try await session.store.account(at: directory)?.url
                guard account != nil || !settings.usesAccountLabel else { throw IssuanceError.noAccount(directory: directory) }
                let solvers = settings.solvers(for: account).filter { $0.canSolve(identifier) && $0.type != .dnsPersist01 }
                guard !solvers.isEmpty else { throw IssuanceError.noSolver(identifier, offered: nil) }
                for solver in solvers {
                    let view = ChallengeView { try await DNS01Update(seen, longestWait: ChallengeTest.longestWait).waitUntilVisible($0) }
                    findings.append(try await ChallengeTrial(solver, view: view).run(identifier))
                }
            }
            return findings
        }
        return try report(findings, session.output)
    }

    /// Every server of the zone is asked. It has the record already, or gets it soon.
    private static let longestWait: Duration = .seconds(10)

    private func report(_ findings: [ChallengeTrial.Finding], _ output: Output) throws -> ExitStatus {
        var table = TextTable(["NAME", "CHALLENGE", "RESULT"], tinted: 2)
        for finding in findings {
            table.add([finding.identifier.value, finding.type.rawValue, finding.result], finding.isGood ? .none : .alarm)
        }
        try output.result(table.text(for: .standardOutput)) { json in
            json.name("challenges")
            json.beginArray()
            for finding in findings { finding.write(to: &json) }
            json.endArray()
        }
        for finding in findings where !finding.isGood { output.reportPart(finding.failure, of: finding.identifier.value) }
        return findings.allSatisfy(\.isGood) ? .success : .validationFailed
    }
}

extension ChallengeTrial.Finding {
    /// In few words.
    fileprivate var result: String {
        switch outcome {
        case .seen(let place): leftover == nil ? "seen at \(place)" : "seen, but not removed"
        case .notSeen: "not seen"
        case .failed: "not set up"
        }
    }

    fileprivate var failure: Failure {
        switch outcome {
        case .seen:
            Failure(
                "challenge-leftover", .validationFailed, "the answer at \(target) was not removed: \(leftover ?? "")",
                hint: "remove it by hand; a CA does not mistake it for an answer of an order")
        case .notSeen(let reason, let hint): Failure("challenge-not-seen", .validationFailed, lines: reason, hint: hint)
        case .failed(let reason, let hint): Failure("challenge-failed", .validationFailed, lines: reason, hint: hint)
        }
    }

    fileprivate func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("name", identifier.value)
        json.member("type", type.rawValue)
        json.member("target", target)
        switch outcome {
        case .seen(let place):
            json.member("seen", true)
            json.member("place", place)
        case .notSeen(let reason, let hint), .failed(let reason, let hint):
            json.member("seen", false)
            json.member("reason", reason)
            json.member("hint", ifPresent: hint)
        }
        json.member("notRemoved", ifPresent: leftover)
        json.endObject()
    }
}
