import ACME
import AgentClient
import ArgumentParser
import CertificateStore
import Issuance
import JOSE
import StrictJSON

struct Renew: AgentCommand {
    static let configuration = CommandConfiguration(
        abstract: "Renew certificates that are due, and resume interrupted orders.",
        discussion: """
            A certificate is due when its CA wants it to be renewed (RFC 9773). Where the CA does not say, or cannot be \
            asked, it is due after two thirds of its lifetime, or after half if the lifetime is below ten days. It keeps \
            its names, profile, key and settings. A certificate whose key is retired or compromised is due at once, and \
            gets a new key. Run `acme-agent renew --all` from a timer: it warns if the agent does not answer (exit status \
            3) or no grant allows a renewal (6), even if nothing is due. --dry-run proves the names, due or not, at the \
            staging environments of the CAs, as `issue --dry-run` does.

            Example: acme-agent renew --all --quiet
            """)

    @Argument(help: ArgumentHelp("Names of certificates.", valueName: "name"), completion: .custom(CertificateNameCompletion.names))
    var names: [String] = []

    @Flag(help: "Renew all certificates that are due.")
    var all = false

    @Flag(help: "Renew even certificates that are not due.")
    var force = false

    @Flag(help: "Prove the names at the CAs' staging environments, and renew nothing.")
    var dryRun = false

    @Option(
        help: ArgumentHelp("With --all: renew this many at once. (default: \(RenewalScheduler.Limits().atOnce))", valueName: "count"))
    var atOnce: Int?

    static let atOnceRange = 1...64

    @OptionGroup(title: "Order") var certificate: CertificateOptions
    @OptionGroup(title: "Global") var options: GlobalOptions

    func validate() throws {
        if let atOnce, !all || !Renew.atOnceRange.contains(atOnce) {
            throw ValidationError("--at-once takes from \(Renew.atOnceRange.lowerBound) to \(Renew.atOnceRange.upperBound), with --all")
        }
        if dryRun, force || atOnce != nil { throw ValidationError("--force and --at-once have no effect with --dry-run") }
        if names.isEmpty != all { throw ValidationError(all ? "--all and names cannot be combined" : "which certificates? NAME or --all") }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        try await refuseTestCertificates(session)
        let display = ProgressDisplay(session.output)
        if dryRun { return try await tryOut(session, display) }
        let renewals = Renewals(
            session, given: try certificate.settings, certificate, display, isForced: force, isNamed: !all)
        let report = try await session.followed(display, timings: certificate.timings) { timings in
            let renewals = renewals.timed(by: timings)
            if all {
                try await renewals.runDue(atOnce: atOnce ?? RenewalScheduler.Limits().atOnce)
            } else {
                var names: [CertificateName] = []
                for text in self.names { names.append(try session.certificateName(argument: text)) }
                try await renewals.run(names)
            }
            return renewals.report
        }
        await Renew.settleOutgoingKeys(session)
        noteForgottenHook(report, session.output)
        warnOfUselessOptions(report, session.output)
        return try finish(report, session.output)
    }

    /// Refuses to replace certificates that servers use by those of a staging environment, which nobody trusts.
    private func refuseTestCertificates(_ session: Session) async throws {
        guard options.staging, !force, !dryRun else { return }
        var names: [CertificateName] = []
        if all {
            names = try await session.store.certificateNames()
        } else {
            for text in self.names { names.append(try session.certificateName(argument: text)) }
        }
        var others: [CertificateName] = []
        for name in names {
            guard let stored = try? await session.store.certificate(named: name), !stored.isRevoked,
                stored.metadata.directory != session.settings.directory
            else { continue }
            others.append(name)
        }
        guard !others.isEmpty else { return }
        throw Failure.usage(
            "--staging would replace \(Wording.list(others.map(\.rawValue), limit: 3)) by certificates that nobody trusts",
            hint: "acme-agent issue --name test -d \(others[0]) tries an order beside them; --force replaces them")
    }

    private func tryOut(_ session: Session, _ display: ProgressDisplay) async throws -> ExitStatus {
        try session.settings.checkKeyFileGroup()
        var names: [CertificateName] = []
        for text in self.names { names.append(try session.certificateName(argument: text)) }
        if all { names = try await session.store.certificateNames() }
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory), given = try certificate.settings
        var trials: [DryRun.Trial] = [], failed: [(name: CertificateName, failure: Failure)] = []
        for name in names {
            do {
                guard let stored = try await session.store.certificate(named: name) else { throw IssuanceError.notFound(name) }
                // It is not renewed.
                if all, stored.isRevoked || stored.metadata.directory == nil { continue }
                guard let directory = stored.metadata.directory else { throw Renew.notACME(name) }
                let settings = session.settings.certificate(named: name.rawValue, given: given, remembered: try memory.read(name))
                var request = try IssuanceFlow.renewalRequest(for: stored)
                request.profile = settings.profile ?? request.profile
                let ca =
                    session.settings.isDirectoryGiven ? session.settings.ca : session.settings.knownCA(at: directory)
                trials.append(DryRun.Trial(request: request, settings: settings, ca: ca))
            } catch {
                let failure = Failure(error)
                failed.append((name, failure))
                session.output.reportPart(failure, of: name.rawValue)
            }
        }
        if names.isEmpty { session.output.note("there are no certificates to renew") }
        var report = try await session.followed(display) { [trials] _ in try await DryRun(session: session, display: display).run(trials) }
        report.failed = failed + report.failed
        return try DryRun.finish(report, session)
    }

    /// Unlike those of `issue`, options of `renew` are for this run only.
    private func noteForgottenHook(_ report: RenewalReport, _ output: Output) {
        guard !certificate.deployHook.isEmpty, !report.renewed.isEmpty else { return }
        output.note(
            "the deploy hook is not remembered: `acme-agent issue`, with the certificate's names and --deploy-hook, sets it for all renewals"
        )
    }

    /// Retires or deletes the replaced keys whose grace period is over. The agent is contacted only if there are any.
    static func settleOutgoingKeys(_ session: Session) async {
        let display = ProgressDisplay(session.output)
        var due: [OutgoingKey] = []
        do {
            due = try await outgoingKeys(session, display.observer)
            guard !due.isEmpty else { return }
            let outgoing = OutgoingKeys(store: session.store, keys: try await session.keys(), observer: display.observer)
            for key in due { await outgoing.settle(key) }
        } catch {
            // The renewals are done: this is no reason to lose their report.
            let names = due.isEmpty ? "replaced keys" : Wording.list(due.map(\.key.name.rawValue))
            session.output.warning(
                "\(names) could not be retired: \(Failure(error).message)", hint: "the next `acme-agent renew` tries again")
        }
        display.finish(summary: false)
    }

    /// The replaced keys that no server needs any more: the grace period is over, and root's hooks have run for the
    /// certificate with the new key.
    static func outgoingKeys(_ session: Session, _ observer: IssuanceObserver) async throws(StoreError) -> [OutgoingKey] {
        var due: [OutgoingKey] = []
        for key in try await OutgoingKeys.due(in: session.store, at: Session.now, observer: observer) {
            if let certificate = try? await session.store.certificate(named: key.certificate),
                await RootDeployState.of(certificate, session) == .pending
            {
                continue
            }
            due.append(key)
        }
        return due
    }

    /// Says which options had no effect, because what they are for was not renewed.
    private func warnOfUselessOptions(_ report: RenewalReport, _ output: Output) {
        let options = certificate.given
        guard !options.isEmpty, !report.notDue.isEmpty else { return }
        let hint = "acme-agent renew NAME --force renews now; `acme-agent issue` remembers its options for renewals"
        guard all else {
            let names = Wording.list(report.notDue.map(\.name.rawValue)), verb = report.notDue.count == 1 ? "was" : "were"
            return output.warning("\(Wording.list(options)) had no effect: \(names) \(verb) not renewed", hint: hint)
        }
        // Not with --quiet: a timer's command line may have options.
        if report.renewed.isEmpty, report.failed.isEmpty {
            output.note("\(Wording.list(options)) had no effect: nothing is due\nacme-agent: hint: \(hint)")
        }
    }

    private func finish(_ report: RenewalReport, _ output: Output) throws -> ExitStatus {
        let now = Session.now
        var lines = report.renewed.map { CertificateReport($0).brief }
        for certificate in report.notDue where output.verbosity > .quiet {
            let window = report.windows[certificate.name], due = RenewalTiming(certificate).due(window)
            let state =
                certificate.isRevoked
                ? "revoked, left alone (acme-agent renew \(certificate.name) --force replaces it)"
                : "not due until \(RFC3339.string(due)) (\(Wording.moment(due, from: now)))"
                    + (window?.explanationURL.map { "; the CA explains: \(TerminalText.safe($0, limit: 300))" } ?? "")
            lines.append("\(certificate.name): \(state)")
        }
        for entry in report.postponed { lines.append(entry.line(from: now)) }
        Renew.warn(of: report.toRequest, output)
        // What the user named is looked at by a person.
        let warnings = all ? report.openWarnings : []
        RenewalReport.Warning.print(warnings, output)
        if lines.isEmpty, report.failed.isEmpty, report.notDue.isEmpty, report.toRequest.isEmpty {
            output.note("there are no certificates to renew")
        }
        try output.result(lines.joined(separator: "\n")) { json in
            json.name("renewed")
            json.beginArray()
            for outcome in report.renewed { CertificateReport(outcome).write(to: &json) }
            json.endArray()
            json.name("notDue")
            json.beginArray()
            for certificate in report.notDue {
                var shown = CertificateReport(certificate)
                shown.window = report.windows[certificate.name]
                shown.write(to: &json)
            }
            json.endArray()
            json.name("toRequest")
            json.beginArray()
            for certificate in report.toRequest { CertificateReport(certificate).write(to: &json) }
            json.endArray()
            json.name("postponed")
            json.beginArray()
            for entry in report.postponed { entry.write(to: &json) }
            json.endArray()
            json.name("failed")
            Failure.write(report.failed, to: &json)
            json.name("warnings")
            RenewalReport.Warning.write(warnings, to: &json)
        }
        let expected = RenewalReport.Warning.status(warnings)
        // Without the agent nothing goes on.
        if report.failed.isEmpty, expected == .agentUnavailable { return .agentUnavailable }
        // What is due and has to wait is not well, even if nothing failed now.
        if report.failed.isEmpty, !report.postponed.isEmpty { return .temporary }
        if report.failed.isEmpty, !report.toRequest.isEmpty { return .attention }
        if report.failed.isEmpty, let expected { return expected }
        return Renew.status(report.failed.map(\.failure.exitStatus))
    }

    /// Says that a person must request another one.
    static func warn(of certificates: [StoredCertificate], _ output: Output) {
        for certificate in certificates {
            let report = CertificateReport(certificate)
            output.warning("\(certificate.name): \(CertificateReport.Concern.requestDue.sentence(report))")
        }
    }

    static func notACME(_ name: CertificateName) -> Failure {
        Failure(
            "not-acme", .usage, "no ACME CA renews \(name): it was imported",
            hint: "acme-agent csr \(name) makes a request for its CA; acme-agent issue orders one for its names at an ACME CA")
    }

    /// The failures' status if they agree, otherwise 1.
    static func status(_ failures: [ExitStatus]) -> ExitStatus {
        guard let first = failures.first else { return .success }
        return failures.allSatisfy { $0 == first } ? first : .failed
    }
}

extension RenewalScheduler.Postponed {
    /// `www.example.org: tried 3 times since …, next …: …`
    func line(from now: Int64) -> String {
        let next = "\(RFC3339.string(until)) (\(Wording.moment(until, from: now)))"
        switch reason {
        case .failures(let failures):
            return "\(name): not tried again until \(next), after \(Wording.count(failures.count, "failure")): "
                + "\(TerminalText.safe(failures.reason, limit: 300)) (acme-agent renew \(name) tries it now)"
        case .limit(let limit, let directory): return "\(name): waits until \(next) for the limit of \(limit.words) at \(directory.host)"
        }
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("name", name.rawValue)
        json.member("until", RFC3339.string(until))
        switch reason {
        case .failures(let failures):
            json.member("reason", "failures")
            json.member("directory", failures.directory.text)
            json.member("failures", failures.count)
            json.member("since", RFC3339.string(failures.first))
            json.member("message", failures.reason)
        case .limit(let limit, let directory):
            json.member("reason", "limit")
            json.member("limit", limit.rawValue)
            json.member("directory", directory.text)
        }
        json.endObject()
    }
}

extension CARoom.Limit {
    /// What the CA limits.
    fileprivate var words: String {
        switch self {
        case .orders: "orders"
        case .identicalCertificates: "certificates for the same names"
        case .failedValidations: "failed validations of a name"
        }
    }
}
