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
            A certificate is due after two thirds of its lifetime, or after half if the lifetime is below ten days. It \
            keeps its names, profile, key and settings. A certificate whose key is retired or compromised is due at \
            once, and gets a new key. Run `acme-agent renew --all` from a timer.

            Example: acme-agent renew --all --quiet
            """)

    @Argument(help: ArgumentHelp("Names of certificates.", valueName: "name"), completion: .custom(CertificateNameCompletion.names))
    var names: [String] = []

    @Flag(help: "Renew all certificates that are due.")
    var all = false

    @Flag(help: "Renew even certificates that are not due.")
    var force = false

    @OptionGroup(title: "Order") var certificate: CertificateOptions
    @OptionGroup(title: "Global") var options: GlobalOptions

    func validate() throws {
        if names.isEmpty != all { throw ValidationError(all ? "--all and names cannot be combined" : "which certificates? NAME or --all") }
    }

    /// The result for each certificate.
    struct Report: Sendable {
        var renewed: [IssuanceOutcome] = []
        var notDue: [StoredCertificate] = []
        var failed: [(name: CertificateName, failure: Failure)] = []

        /// Reports one certificate's failure; the others continue.
        mutating func add(_ failure: Failure, of name: CertificateName, _ output: Output) {
            failed.append((name, failure))
            output.reportPart(failure, of: name.rawValue)
        }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        let store = session.store
        var names: [CertificateName] = []
        for text in self.names { names.append(try session.certificateName(argument: text)) }
        if all { names = Set(try await store.certificateNames() + store.journalNames()).sorted() }
        var report = Report()
        var found: [Found] = []
        for name in names {
            do throws(StoreError) {
                found.append(Found(name, stored: try await store.certificate(named: name), journal: try await store.journal(named: name)))
            } catch { report.add(Failure(error), of: name, session.output) }
        }
        // The CA is contacted only if there is something to do.
        let lost = await lostKeys(of: found, session)
        var due: [CertificateName] = []
        for entry in found {
            if isToDo(entry.stored, entry.journal, lost) {
                due.append(entry.name)
                guard let key = entry.stored?.metadata.key, let fault = lost[key.fingerprint] else { continue }
                session.output.note("\(entry.name): its key \"\(key.name)\" is \(fault.rawValue); it gets a new one")
            } else if let stored = entry.stored {
                if !stored.isRevoked || !all { report.notDue.append(stored) }
            } else if !all {
                throw IssuanceError.notFound(entry.name)
            }
        }
        if !due.isEmpty {
            do { report = try await renew(due, report, lost, session) } catch let error as AgentConnectionError {
                // Reported once for all certificates; those that are not due, or damaged, are reported as well.
                let failure = Failure(error)
                session.output.report(failure, json: false)
                report.failed += due.map { ($0, failure) }
            }
        }
        await settleOutgoingKeys(session)
        noteForgottenHook(report, session.output)
        warnOfUselessOptions(report, session.output)
        return try finish(report, session.output)
    }

    /// Unlike those of `issue`, options of `renew` are for this run only.
    private func noteForgottenHook(_ report: Report, _ output: Output) {
        guard certificate.deployHook != nil, !report.renewed.isEmpty else { return }
        output.note(
            "the deploy hook is not remembered: `acme-agent issue`, with the certificate's names and --deploy-hook, sets it for all renewals"
        )
    }

    /// Retires or deletes the replaced keys whose grace period is over. The agent is contacted only if there are any.
    private func settleOutgoingKeys(_ session: Session) async {
        let display = ProgressDisplay(session.output)
        var due: [OutgoingKey] = []
        do {
            due = try await OutgoingKeys.due(in: session.store, at: Session.now, observer: display.observer)
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

    /// Says which options had no effect, because what they are for was not renewed.
    private func warnOfUselessOptions(_ report: Report, _ output: Output) {
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

    /// What the store has under a name.
    private struct Found {
        let name: CertificateName
        let stored: StoredCertificate?
        let journal: OrderJournal?

        init(_ name: CertificateName, stored: StoredCertificate?, journal: OrderJournal?) {
            self.name = name
            self.stored = stored
            self.journal = journal
        }
    }

    /// What is wrong with keys, by fingerprint: their certificates are replaced before they are due.
    private typealias LostKeys = [String: CertificateReport.KeyFault]

    /// The compromised keys and, as far as the agent answers, the retired ones. A key that is gone is no reason: a
    /// grant may be off for a while.
    private func lostKeys(of found: [Found], _ session: Session) async -> LostKeys {
        var lost: LostKeys = [:], others: [KeyReference] = []
        for entry in found {
            guard let stored = entry.stored, !stored.isRevoked else { continue }
            let key = stored.metadata.key
            if (try? await session.store.isCompromised(key.fingerprint)) ?? false {
                lost[key.fingerprint] = .compromised
            } else if !isToDo(stored, entry.journal, [:]) {
                others.append(key)
            }
        }
        guard !others.isEmpty else { return lost }
        let faults = await StoreContents.keyFaults(Set(others.map(\.name)), session)
        for key in others where faults[key.name] == .retired { lost[key.fingerprint] = .retired }
        return lost
    }

    private func isToDo(_ stored: StoredCertificate?, _ journal: OrderJournal?, _ lost: LostKeys) -> Bool {
        let isKeyLost = stored.map { lost[$0.metadata.key.fingerprint] != nil } ?? false
        return Renew.isToDo(stored, journal, isNamed: !all, force: force, isKeyLost: isKeyLost, now: Session.now)
    }

    /// Whether there is something to do for a certificate.
    /// - Parameters:
    ///   - isNamed: The user named it; otherwise a timer may be running.
    ///   - isKeyLost: Its key is retired or compromised.
    static func isToDo(
        _ stored: StoredCertificate?, _ journal: OrderJournal?, isNamed: Bool, force: Bool, isKeyLost: Bool = false, now: Int64
    ) -> Bool {
        // An interrupted order is resumed. A failed one is tried again only if it is named.
        if let journal, isNamed || !journal.hasFailed { return true }
        guard let stored else { return false }
        // A timer does not replace a revoked certificate; the user must ask for it.
        if stored.isRevoked { return force && isNamed }
        return force || isKeyLost || RenewalRule(stored).isDue(now)
    }

    private func renew(
        _ names: [CertificateName], _ before: Report, _ lost: LostKeys, _ session: Session
    ) async throws -> Report {
        try session.settings.checkKeyFileGroup()
        let display = ProgressDisplay(session.output)
        let given = try certificate.settings
        let oldKey = try certificate.oldKeyChoice
        return try await session.followed(display, timings: certificate.timings) { [self] timings in
            let keys = try await session.keys()
            var report = before
            // Certificates that another run is working on come last: by then it may be done.
            var names = names[...], isPutOff: Set<CertificateName> = []
            while let name = names.popFirst() {
                do {
                    if isPutOff.contains(name) { try await unlocked(name, session) }
                    if let outcome = try await renew(name, given, oldKey, keys, lost, display, timings, session) {
                        report.renewed.append(outcome)
                    } else if let stored = try await session.store.certificate(named: name) {
                        // Another run was first.
                        report.notDue.append(stored)
                    }
                } catch let error as StoreError where error.reason == .locked && all && isPutOff.insert(name).inserted {
                    names.append(name)
                } catch {
                    try Task.checkCancellation()
                    await IssuanceFlow.endOrder(named: name, in: session.store, after: error)
                    display.erase()
                    report.add(await session.explained(Failure(error)), of: name, session.output)
                }
            }
            return report
        }
    }

    /// How long to wait for another run's work on a certificate. An issuance takes seconds.
    private static let patience: Duration = .seconds(60)

    /// Returns when no other run works on a certificate, or after `patience`.
    private func unlocked(_ name: CertificateName, _ session: Session) async throws {
        let end = ContinuousClock.now + Renew.patience
        session.output.note("waiting for another run that is working on \(name)")
        while ContinuousClock.now < end {
            do throws(StoreError) { return try await session.store.lock(name).release() } catch {
                guard error.reason == .locked else { throw error }
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private func renew(
        _ name: CertificateName, _ given: CertificateSettings, _ oldKey: IssuanceRequest.OldKey, _ keys: AgentKeyProvider,
        _ lost: LostKeys, _ display: ProgressDisplay, _ timings: Timings?, _ session: Session
    ) async throws -> IssuanceOutcome? {
        let store = session.store
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        let settings = session.settings.certificate(named: name.rawValue, given: given, remembered: try memory.read(name))
        let stored = try await store.certificate(named: name), journal = try await store.journal(named: name)
        var key: ManagedKey?
        if let name = journal?.key { key = try await keys.key(named: name) }
        guard
            var (request, directory) = try Renew.request(
                name, stored, journal, keyAlgorithm: key?.algorithm ?? settings.keyType ?? Settings.defaultKeyType,
                mustStaple: settings.mustStaple)
        else { throw IssuanceError.notFound(name) }
        if given.dnsWait != nil, !all, !settings.canWaitForDNS {
            throw Failure.usage("--dns-wait has no effect without a DNS hook", hint: "--dns-hook PROGRAM or --dns-update SERVER")
        }
        if let hook = settings.deployHook {
            // A certificate without its hook is better than an expired one; the next run tries the hook again.
            do throws(Failure) { try Hooks.check(hook) } catch {
                guard given.deployHook == nil else { throw error }
                session.output.warning("\(name): \(error.message)")
            }
        }
        if settings.deployHook == nil, stored != nil, certificate.newKey, oldKey != .keep {
            let grace = settings.oldKeyGrace ?? CertificateSettings.defaultOldKeyGrace
            session.output.warning(
                "\(name) gets a new key, but has no deploy hook: servers use the old one until they are reloaded, and it is retired "
                    + (grace > 0 ? "in \(Wording.duration(seconds: Int64(grace)))" : "at once"),
                hint: "acme-agent deploy SERVER \(name) prints the hook for a server")
        }
        if session.settings.isDirectoryGiven { directory = session.settings.directory }
        request.newKey = certificate.newKey
        request.oldKey = oldKey
        if certificate.newKey || given.keyType != nil, let type = settings.keyType { request.keyAlgorithm = type }
        request.isKeyAlgorithmWanted = given.keyType != nil
        request.profile = given.profile ?? request.profile
        request.isProfileInherited = request.isProfileInherited && settings.profile != request.profile
        request.preferredRoot = settings.preferredChain
        return try await session.withFlow(at: directory, keys: keys, settings, display, timings: timings) { [request] in
            // Checked again under the lock: of two concurrent runs the second finds it renewed.
            try await $0.issue(request) { isToDo($0, $1, lost) }
        }
    }

    /// What to order, and where: the interrupted order, or a renewal of the installed certificate.
    /// - Parameter mustStaple: The remembered option, if it was given.
    /// - Returns: `nil` if there is neither.
    static func request(
        _ name: CertificateName, _ stored: StoredCertificate?, _ journal: OrderJournal?, keyAlgorithm: KeyAlgorithm,
        mustStaple: Bool? = nil
    ) throws -> (IssuanceRequest, ACMEURL)? {
        // An order started before the installation is the installed certificate's own.
        let isOpen = stored.map { stored in journal.map { !$0.hasFailed && $0.started > stored.metadata.installed } ?? false } ?? true
        if isOpen, let journal {
            var request =
                try stored.map { try IssuanceFlow.renewalRequest(for: $0) }
                ?? IssuanceRequest(name: name, identifiers: journal.identifiers, keyAlgorithm: keyAlgorithm)
            request.identifiers = journal.identifiers
            request.profile = journal.profile
            request.mustStaple = journal.mustStaple
            // The order is for exactly this key. If the key was retired in the meantime, the order is refused.
            if let key = journal.key, key != stored?.metadata.key.name {
                request.key = key
                request.keyAlgorithm = keyAlgorithm
            }
            return (request, journal.directory)
        }
        guard let stored else { return nil }
        var request = try IssuanceFlow.renewalRequest(for: stored)
        request.mustStaple = mustStaple ?? request.mustStaple
        return (request, stored.metadata.directory)
    }

    private func finish(_ report: Report, _ output: Output) throws -> ExitStatus {
        let now = Session.now
        var lines = report.renewed.map { CertificateReport($0).brief }
        for certificate in report.notDue where output.verbosity > .quiet {
            let due = RenewalRule(certificate).due
            let state =
                certificate.isRevoked
                ? "revoked, left alone (acme-agent renew \(certificate.name) --force replaces it)"
                : "not due until \(RFC3339.string(due)) (\(Wording.moment(due, from: now)))"
            lines.append("\(certificate.name): \(state)")
        }
        if lines.isEmpty, report.failed.isEmpty, report.notDue.isEmpty { output.note("there are no certificates to renew") }
        try output.result(lines.joined(separator: "\n")) { json in
            json.name("renewed")
            json.beginArray()
            for outcome in report.renewed { CertificateReport(outcome).write(to: &json) }
            json.endArray()
            json.name("notDue")
            json.beginArray()
            for certificate in report.notDue { CertificateReport(certificate).write(to: &json) }
            json.endArray()
            json.name("failed")
            Failure.write(report.failed, to: &json)
        }
        return Renew.status(report.failed.map(\.failure.exitStatus))
    }

    /// The failures' status if they agree, otherwise 1.
    static func status(_ failures: [ExitStatus]) -> ExitStatus {
        guard let first = failures.first else { return .success }
        return failures.allSatisfy { $0 == first } ? first : .failed
    }
}
