import ACME
import AgentClient
import AgentInterface
import ArgumentParser
import CertificateStore
import Glibc
import Issuance
import JOSE

struct Issue: AgentCommand {
    static let stateUse = StateUse.made
    static let configuration = CommandConfiguration(
        abstract: "Get a certificate for one or more names.",
        discussion: """
            The key is made in the token and stays there. An interrupted order is resumed. The options are remembered \
            for renewals. If the certificate is already valid and as requested, nothing is ordered; options that are \
            not given again keep their values. --dry-run proves the names at the CA's staging environment, with your \
            account there, and stops before the certificate: no key is made, nothing is stored or remembered, and deploy \
            hooks are only checked.

            Example: acme-agent issue -d www.example.org --webroot /var/www/html
            """)

    @OptionGroup(title: "Certificate") var subject: SubjectOptions
    @OptionGroup(title: "Order") var certificate: CertificateOptions
    @OptionGroup(title: "Global") var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let asked = try Issue.identifiers(subject.domains)
        guard let first = asked.first else { throw Failure.usage("a certificate needs a name", hint: "-d NAME") }
        let spellings = try subject.name.map { try CertificateName($0).spellings } ?? CertificateName.spellings(for: first)
        let name = session.stored(spellings) ?? spellings.first ?? CertificateName(first)
        let directory = session.settings.cas(of: name.rawValue).first.directory
        var given = try certificate.settings
        given.mustStaple = subject.mustStaple
        given.caCertificate = try options.caCertificate.map {
            CertificateSettings.CACertificate(directory: directory, file: try AbsolutePath.of($0))
        }
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        let remembered = subject.resetSettings ? CertificateSettings() : try Issue.remembered(memory, name, session.output)
        let settings = session.settings.certificate(named: name.rawValue, given: given, remembered: remembered)
        let kept = given.over(remembered)
        if given.dnsWait != nil, !settings.canWaitForDNS {
            throw Failure.usage("--dns-wait has no effect without a DNS hook", hint: "--dns-hook PROGRAM or --dns-update SERVER")
        }
        try Hooks.check(settings)
        if subject.dryRun { return try await tryOut(name, asked, settings, session) }

        let stored = try await session.store.certificate(named: name), journal = try await session.store.journal(named: name)
        var identifiers = asked
        if let stored { identifiers = try chosenNames(asked, stored, journal, session) }
        var request = IssuanceRequest(
            name: name, identifiers: identifiers, profile: settings.profile, key: try subject.key.map { try KeyName(argument: $0) },
            keyAlgorithm: settings.keyType ?? Settings.defaultKeyType, newKey: certificate.newKey,
            oldKey: try certificate.oldKeyChoice(of: stored, session),
            mustStaple: settings.mustStaple ?? stored?.chain.leaf.mustStaple ?? false, preferredRoot: settings.preferredChain)
        request.isKeyAlgorithmWanted = given.keyType != nil
        let validity = try Validity(notBefore: subject.notBefore, notAfter: subject.notAfter, now: Session.now)
        request.notBefore = validity.notBefore.map { RFC3339.string($0) }
        request.notAfter = validity.notAfter.map { RFC3339.string($0) }
        if subject.token != nil {
            var key = certificate.newKey ? nil : request.key
            // A compromised key is replaced.
            if !certificate.newKey, key == nil, let current = stored?.metadata.key,
                try await !session.store.isCompromised(current.fingerprint)
            {
                key = current.name
            }
            try await session.keys(token: subject.token).expectToken(for: key)
        }
        let wish = CertificateWish(request, given: given, remembered: remembered, directory: directory)
        var isWanted = subject.force || stored.map { !validity.isMet(by: $0.metadata) } ?? false
        if let stored, !isWanted, wish.isMet(by: stored, journal, now: Session.now) {
            // A certificate whose key cannot sign is useless, however long it is valid.
            isWanted = try await Issue.isKeyLost(stored.metadata.key, session)
            if await session.renewalRecord(of: stored)?.revocation != nil { isWanted = true }
            if !isWanted { return try unchanged(stored, journal, kept, remembered, memory, session) }
        }
        try session.settings.checkKeyFileGroup()
        let display = ProgressDisplay(session.output)
        var wanted = request
        wanted.replacesUndeployed = isWanted || stored.map { !wish.isMet(by: $0, nil, now: Session.now) } ?? false
        let order = CertificateOrder(request: wanted, directory: directory, settings: settings, kept: kept, isFirst: stored == nil)
        let outcome = try await session.followed(display, timings: certificate.timings) { [token = subject.token, isWanted] timings in
            let keys = try await session.keys(token: token)
            return try await session.callingFailureHook(of: name, settings) {
                // Checked again under the lock: of two concurrent runs the second finds it issued.
                try await order.place(session, keys: keys, display, timings: timings) { stored, journal in
                    isWanted || !(stored.map { wish.isMet(by: $0, journal, now: Session.now) } ?? false)
                }
            }
        }
        guard let outcome else {
            guard let stored = try await session.store.certificate(named: name) else { throw IssuanceError.notFound(name) }
            return try unchanged(stored, nil, kept, remembered, memory, session)
        }
        CertificateOrder.note(outcome, force: subject.force, newKey: certificate.newKey, session.output)
        if !validity.isMet(by: outcome.certificate.metadata) {
            let metadata = outcome.certificate.metadata
            session.output.warning(
                "the CA chose another validity than asked for: \(RFC3339.string(metadata.notBefore)) to "
                    + RFC3339.string(metadata.notAfter))
        }
        try report(CertificateReport(outcome), isOrdered: true, wasResumed: outcome.wasResumed, session.output)
        return .success
    }

    private func tryOut(
        _ name: CertificateName, _ asked: [Identifier], _ settings: CertificateSettings, _ session: Session
    ) async throws -> ExitStatus {
        try session.settings.checkKeyFileGroup()
        var identifiers = asked
        if subject.expand, let had = try await session.store.certificate(named: name)?.metadata.identifiers {
            identifiers = had + asked.filter { !had.contains($0) }
        }
        let request = IssuanceRequest(name: name, identifiers: identifiers, profile: settings.profile)
        let trial = DryRun.Trial(request: request, settings: settings, ca: session.settings.cas(of: name.rawValue).first)
        // Before anything else: whether there is an account is the second question.
        _ = try DryRun.staging(of: trial.ca, session)
        let display = ProgressDisplay(session.output)
        let report = try await session.followed(display) { _ in try await DryRun(session: session, display: display).run([trial]) }
        return try DryRun.finish(report, session)
    }

    private func report(_ report: CertificateReport, isOrdered: Bool, wasResumed: Bool, _ output: Output) throws {
        try output.result(report.brief) { json in
            json.name("certificate")
            report.write(to: &json)
            json.member("resumed", wasResumed)
            json.member("ordered", isOrdered)
        }
    }

    /// Reports that the certificate is as requested. New settings take effect at its next renewal.
    private func unchanged(
        _ stored: StoredCertificate, _ journal: OrderJournal?, _ kept: CertificateSettings, _ remembered: CertificateSettings,
        _ memory: RememberedSettings, _ session: Session
    ) throws -> ExitStatus {
        let name = stored.name
        let isChanged = kept != remembered || subject.resetSettings
        if isChanged { try memory.remember(kept, for: name) }
        session.output.note(
            "the certificate \(name) is valid and as requested: nothing was ordered (--force orders a new one)"
                + (isChanged ? "; the new settings take effect at its next renewal" : ""))
        // Not remembered, unlike the others.
        let useless = certificate.given.filter { ["--old-key", "--timings"].contains($0) }
        if !useless.isEmpty { session.output.note("\(Wording.list(useless)) had no effect") }
        if let journal {
            let what = journal.hasFailed ? "a failed" : "an interrupted"
            let resume = journal.hasFailed ? "" : "acme-agent renew \(name) resumes it, "
            session.output.note(
                "there is \(what) order for \(Wording.list(journal.identifiers)): \(resume)acme-agent forget --order \(name) drops it")
        }
        try report(CertificateReport(stored), isOrdered: false, wasResumed: false, session.output)
        return .success
    }

    /// The remembered settings. A damaged file counts as none, with a warning; one of a newer version stops the
    /// command.
    static func remembered(
        _ memory: RememberedSettings, _ name: CertificateName, _ output: Output
    ) throws -> CertificateSettings {
        do { return try memory.read(name) } catch let failure as Failure where failure.code == "settings-damaged" {
            output.warning("\(failure.message); the settings given now replace it")
            return CertificateSettings()
        }
    }

    /// Whether the key is compromised, or the agent says that it is retired or gone.
    static func isKeyLost(_ key: KeyReference, _ session: Session) async throws -> Bool {
        if try await session.store.isCompromised(key.fingerprint) { return true }
        guard let agent = try? await session.agent() else { return false }
        do { return try await agent.key(named: key.name).state == .retired } catch AgentError.keyNotFound { return true } catch {
            return false
        }
    }

    // MARK: Names

    /// The names that the certificate will have. Existing ones are never dropped silently.
    private func chosenNames(
        _ asked: [Identifier], _ stored: StoredCertificate, _ journal: OrderJournal?, _ session: Session
    ) throws -> [Identifier] {
        let had = stored.metadata.identifiers
        if Set(asked) == Set(had) { return had }
        let expanded = had + asked.filter { !had.contains($0) }
        if subject.expand { return expanded }
        if subject.replaceNames { return asked }
        // Already confirmed when that order was started.
        if let journal, !journal.hasFailed, Set(journal.identifiers) == Set(asked) { return asked }
        let difference = Issue.difference(stored.name, had: had, asked)
        if session.canAsk {
            Output.write("\(difference)\nadd the given names, replace its names, or change nothing? [add/replace/N] ", to: STDERR_FILENO)
            switch readLine()?.lowercased() {
            case "add"?, "a"?: return expanded
            case "replace"?, "r"?: return asked
            default: throw Failure("not-confirmed", .failed, "nothing was changed")
            }
        }
        throw Failure(
            "other-names", .usage, "\(difference); nothing was ordered",
            hint: "--expand adds the given names to those it has, --replace-names keeps only the given ones, and another --name makes "
                + "another certificate")
    }

    private static func difference(_ name: CertificateName, had: [Identifier], _ asked: [Identifier]) -> String {
        let missing = had.filter { !asked.contains($0) }, added = asked.filter { !had.contains($0) }
        if missing.count == had.count {
            return "the certificate \(name) includes \(Wording.list(had)), but none of the given names"
        }
        let parts = [
            missing.isEmpty ? nil : "also includes \(Wording.list(missing)), not given now",
            added.isEmpty ? nil : "does not include \(Wording.list(added))",
        ]
        return "the certificate \(name) " + parts.compactMap(\.self).joined(separator: ", and ")
    }

    /// In the given order, each once. Names may also be separated by commas, with spaces around them.
    static func identifiers(_ texts: [String]) throws(Failure) -> [Identifier] {
        var result: [Identifier] = []
        for list in texts {
            for part in list.split(separator: ",", omittingEmptySubsequences: false) {
                let text = String(part.trimming { $0 == " " || $0 == "\t" })
                guard !text.isEmpty else {
                    throw .usage(
                        "a name is missing in \"\(TerminalText.safe(list, limit: 100))\"",
                        hint: "-d NAME, or -d NAME,NAME without a trailing comma")
                }
                do {
                    let identifier = try Identifier(argument: text)
                    if !result.contains(identifier) { result.append(identifier) }
                } catch { throw Failure(notAName: text, error) }
            }
        }
        return result
    }
}

extension StringProtocol {
    /// Without such characters at both ends.
    fileprivate func trimming(_ isLeftOut: (Character) -> Bool) -> SubSequence {
        var rest = drop(while: isLeftOut)
        while let last = rest.last, isLeftOut(last) { rest.removeLast() }
        return rest
    }
}

/// The certificate's names and key.
struct SubjectOptions: ParsableArguments {
    @Option(
        name: [.customShort("d"), .customLong("domain")],
        help: ArgumentHelp("A DNS name, a wildcard (*.example.org) or an IP address; may be repeated.", valueName: "name"))
    var domains: [String] = []

    @Option(help: ArgumentHelp("The name under which it is stored. (default: its first name)", valueName: "certificate"))
    var name: String?

    @Option(help: ArgumentHelp("The certificate key's name in the agent; the key is made if it does not exist.", valueName: "key"))
    var key: String?

    @Option(help: ArgumentHelp("The token for a new key. (default: the agent's first)", valueName: "token"))
    var token: String?

    @Flag(inversion: .prefixedNo, help: "Request the TLS feature \"must staple\" (RFC 7633); remembered for renewals.")
    var mustStaple: Bool?

    @Option(
        help: ArgumentHelp(
            "From when the certificate is valid: a date, or a time as in RFC 3339. Most CAs refuse this.", valueName: "time"))
    var notBefore: String?

    @Option(
        help: ArgumentHelp(
            "Until when; not remembered for renewals. Many CAs refuse this.", valueName: "time"))
    var notAfter: String?

    @Flag(help: "Add the names to those that the certificate has.")
    var expand = false

    @Flag(help: "Give the certificate only these names, and drop its others.")
    var replaceNames = false

    @Flag(help: "Order even if the certificate is valid and as requested.")
    var force = false

    @Flag(help: "Prove the names at the CA's staging environment, and issue nothing.")
    var dryRun = false

    @Flag(help: "Forget the remembered options; only those given now count.")
    var resetSettings = false

    func validate() throws {
        if domains.isEmpty { throw ValidationError("a certificate needs a name: -d NAME") }
        if expand, replaceNames { throw ValidationError("--expand and --replace-names cannot be combined") }
    }
}
