import ACME
import ArgumentParser
import CertificateStore
import Issuance
import JOSE

/// How a certificate is ordered: what `issue` and `renew` have in common.
struct CertificateOptions: ParsableArguments {
    @Option(
        name: .customLong("http01-address"),
        help: ArgumentHelp(
            "Answer http-01 challenges with a listener on this address; may be repeated. (default: \(ChallengeMethod.standardAddress))",
            valueName: "ip:port"))
    var http01Address: [String] = []

    @Option(
        help: ArgumentHelp("Answer http-01 challenges with files in this web server folder.", valueName: "folder"), completion: .directory)
    var webroot: String?

    @Option(
        name: .customLong("tls-alpn01-address"),
        help: ArgumentHelp(
            "Answer tls-alpn-01 challenges with a listener on this address, such as *:\(ChallengeMethod.standardTLSPort); may be repeated.",
            valueName: "ip:port"))
    var tlsALPN01Address: [String] = []

    @Option(
        help: ArgumentHelp("Answer dns-01 challenges with this program, called with present|cleanup NAME VALUE.", valueName: "program"),
        completion: .file())
    var dnsHook: String?

    @Option(
        help: ArgumentHelp("Remove the record with this program; for the hook protocol certbot.", valueName: "program"),
        completion: .file())
    var dnsCleanupHook: String?

    @Option(
        help: ArgumentHelp(
            "Call the DNS hook as another client does: \(HookProtocol.allCases.map(\.rawValue).joined(separator: ", ")). "
                + "(default: \(HookProtocol.acmeAgent.rawValue))",
            valueName: "protocol"),
        completion: .list(HookProtocol.allCases.map(\.rawValue)))
    var hookProtocol: String?

    @Option(
        help: ArgumentHelp(
            "Answer dns-01 challenges with updates (RFC 2136) of the zone at this server; \(DNSUpdateSettings.automatic): at its primary.",
            valueName: "server[:port]"))
    var dnsUpdate: String?

    @Option(
        help: ArgumentHelp("Sign the updates with the TSIG key in this file, as tsig-keygen writes it.", valueName: "file"),
        completion: .file())
    var dnsKey: String?

    @Option(
        help: ArgumentHelp("Ask this resolver for zones to update. (default: those of /etc/resolv.conf)", valueName: "ip[:port]"))
    var dnsResolver: String?

    @Flag(help: "Answer dns-persist-01 challenges with records that are there already; see `acme-agent persist`.")
    var dnsPersist = false

    @Option(
        help: ArgumentHelp(
            "Wait this long after the DNS hook before telling the CA (default: \(CertificateSettings.defaultDNSWait)), or at most this "
                + "long for the servers of an updated zone (default: \(DNS01Update.standardWait.components.seconds)).",
            valueName: "seconds"))
    var dnsWait: Int?

    @Option(
        help: ArgumentHelp(
            "Which challenge a DNS hook or DNS updates answer: \(CertificateSettings.dnsChallengeChoices). (default: dns-01)",
            valueName: "type"),
        completion: .list(CertificateSettings.dnsChallenges.map(\.rawValue)))
    var dnsChallenge: String?

    @Option(
        help: ArgumentHelp(
            "Type of a new key: \(KeyAlgorithm.choices). (default: the configuration's, or \(Settings.defaultKeyType.rawValue))",
            valueName: "type"),
        completion: .list(KeyAlgorithm.allCases.map(\.rawValue)))
    var keyType: String?

    @Flag(help: "Make a new key even if the certificate has one; see --old-key.")
    var newKey = false

    @Option(
        help: ArgumentHelp("What to do with the old key: retire, delete or keep. (default: retire)", valueName: "fate"),
        completion: .list(["retire", "delete", "keep"]))
    var oldKey: String?

    @Option(
        help: ArgumentHelp(
            "How long the old key stays active after the deploy hook. (default: \(CertificateSettings.defaultOldKeyGrace))",
            valueName: "seconds"))
    var oldKeyGrace: Int?

    @Option(help: ArgumentHelp("The certificate profile, by the CA's name for it.", valueName: "profile"))
    var profile: String?

    @Option(help: ArgumentHelp("Prefer the chain to the root with this common name.", valueName: "cn"))
    var preferredChain: String?

    @Option(
        help: ArgumentHelp("Run this program after the certificate is installed; may be repeated.", valueName: "program"),
        completion: .file())
    var deployHook: [String] = []

    @Option(
        help: ArgumentHelp("Run this program when an order or a deploy hook fails.", valueName: "program"), completion: .file())
    var failureHook: String?

    @Option(
        help: ArgumentHelp("Write to this file, as JSON, when each step began and ended.", valueName: "file"), completion: .file())
    var timings: String?

    /// With none of the options given.
    static var unset: CertificateOptions { (try? CertificateOptions.parse([])) ?? CertificateOptions() }

    func validate() throws {
        let range = CertificateSettings.dnsWaitRange
        if let dnsWait, !range.contains(dnsWait) {
            throw ValidationError("--dns-wait must be from \(range.lowerBound) to \(range.upperBound) seconds")
        }
        if let dnsChallenge, !CertificateSettings.dnsChallenges.contains(where: { $0.rawValue == dnsChallenge }) {
            throw ValidationError("--dns-challenge must be \(CertificateSettings.dnsChallengeChoices)")
        }
        let grace = CertificateSettings.oldKeyGraceRange
        if let oldKeyGrace, !grace.contains(oldKeyGrace) {
            throw ValidationError("--old-key-grace must be from \(grace.lowerBound) to \(grace.upperBound) seconds")
        }
    }

    /// The settings; relative paths become absolute, since a renewal runs in another folder.
    var settings: CertificateSettings {
        get throws {
            var settings = CertificateSettings()
            var challenges = ChallengeTexts()
            challenges.http01Address = http01Address
            challenges.webroot = try webroot.map(AbsolutePath.of)
            challenges.tlsALPN01Address = tlsALPN01Address
            challenges.dnsHook = try dnsHook.map(AbsolutePath.of)
            challenges.dnsUpdate = dnsUpdate
            challenges.dnsKey = try dnsKey.map(AbsolutePath.of)
            challenges.dnsResolver = dnsResolver
            challenges.dnsPersist = dnsPersist
            challenges.dnsCleanupHook = try dnsCleanupHook.map(AbsolutePath.of)
            challenges.hookProtocol = hookProtocol
            settings.challenges = try challenges.methods()
            settings.dnsWait = dnsWait
            settings.dnsChallenge = dnsChallenge.flatMap { ChallengeType(rawValue: $0) }
            let hooks = try deployHook.map(AbsolutePath.of)
            if let twice = hooks.indices.first(where: { hooks[..<$0].contains(hooks[$0]) }) {
                throw Failure.usage("--deploy-hook \(TerminalText.safe(hooks[twice], limit: 200)) is given twice")
            }
            settings.deployHooks = hooks.isEmpty ? nil : hooks
            settings.failureHook = try failureHook.map(AbsolutePath.of)
            settings.keyType = try keyType.map { try KeyAlgorithm(argument: $0) }
            settings.oldKeyGrace = oldKeyGrace
            settings.profile = profile
            settings.preferredChain = preferredChain
            return settings
        }
    }

    /// What to do with the key that a certificate's new one replaces: if this run says nothing, as the one said that
    /// installed `stored` and whose deploy hooks have failed or were cut off.
    func oldKeyChoice(of stored: StoredCertificate?, _ session: Session) throws(Failure) -> IssuanceRequest.OldKey {
        guard let oldKey else {
            guard let stored else { return .retire }
            return HookRecord.read(stored.name, stateDirectory: session.settings.stateDirectory)?.oldKey(of: stored) ?? .retire
        }
        guard let choice = IssuanceRequest.OldKey(rawValue: oldKey) else {
            throw .usage("--old-key \"\(TerminalText.safe(oldKey, limit: 40))\" is unknown", hint: "--old-key retire, delete or keep")
        }
        return choice
    }

    /// The options on the command line, as they are written there.
    var given: [String] {
        let options: [(name: String, isGiven: Bool)] = [
            ("--http01-address", !http01Address.isEmpty), ("--webroot", webroot != nil),
            ("--tls-alpn01-address", !tlsALPN01Address.isEmpty), ("--dns-hook", dnsHook != nil),
            ("--dns-cleanup-hook", dnsCleanupHook != nil), ("--hook-protocol", hookProtocol != nil),
            ("--dns-update", dnsUpdate != nil), ("--dns-key", dnsKey != nil), ("--dns-resolver", dnsResolver != nil),
            ("--dns-persist", dnsPersist),
            ("--dns-wait", dnsWait != nil), ("--dns-challenge", dnsChallenge != nil), ("--key-type", keyType != nil), ("--new-key", newKey),
            ("--old-key", oldKey != nil),
            ("--old-key-grace", oldKeyGrace != nil),
            ("--profile", profile != nil), ("--preferred-chain", preferredChain != nil), ("--deploy-hook", !deployHook.isEmpty),
            ("--failure-hook", failureHook != nil),
            ("--timings", timings != nil),
        ]
        return options.filter(\.isGiven).map(\.name)
    }
}
