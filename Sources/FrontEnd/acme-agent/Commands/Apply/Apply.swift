import ACME
import AgentClient
import ArgumentParser
import CertificateStore
import Issuance
import JOSE
import StrictJSON

struct Apply: AgentCommand {
    static let stateUse = StateUse.made
    static let configuration = CommandConfiguration(
        abstract: "Make the certificates as the configuration declares them.",
        discussion: """
            Each [[certificate]] with names should exist, with these names and no others, and with the key type, \
            profile, CA and "must staple" that it has. What is missing is issued, what differs is replaced, and what is \
            due is renewed. If everything is as declared, no CA is contacted. A certificate that is no longer declared \
            is reported and left alone.

            Example: acme-agent apply --dry-run
            """)

    @Argument(help: ArgumentHelp("Only these certificates, by their names.", valueName: "name"))
    var names: [String] = []

    @Flag(help: "Only say what would be done.")
    var dryRun = false

    @OptionGroup var options: GlobalOptions

    /// The result for each certificate.
    private struct Report {
        var states: [DeclarationState] = []
        var issued: [IssuanceOutcome] = []
        var undeclared: [CertificateName] = []
        var warnings: [RenewalReport.Warning] = []
        var failed: [(name: CertificateName, failure: Failure)] = []

        mutating func add(_ failure: Failure, of name: CertificateName, _ output: Output) {
            failed.append((name, failure))
            output.reportPart(failure, of: name.rawValue)
        }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        let declared = try chosen(session)
        var report = Report()
        report.states = await states(of: declared, &report, session)
        if names.isEmpty {
            let known = Set(session.settings.declared.flatMap { $0.name.spellings })
            report.undeclared = try await session.store.certificateNames().filter { !known.contains($0) }.sorted()
        }
        if session.settings.declared.isEmpty {
            session.output.note(
                "the configuration declares no certificate: a [[certificate]] part with names does"
                    + (session.settings.file.map { " (\(TerminalText.safe($0)))" } ?? ""))
        }
        let toDo = report.states.filter(\.isToDo)
        if dryRun {
            for state in toDo {
                do { try await check(state, session) } catch { report.add(Failure(error), of: state.name, session.output) }
            }
        }
        if !dryRun, !toDo.isEmpty {
            let states = report.states
            do { report = try await order(toDo, report, session) } catch let error as AgentConnectionError {
                // Reported once for all certificates.
                let failure = Failure(error)
                session.output.report(failure, json: false)
                report.failed += toDo.map { ($0.name, failure) }
            }
            report.states = states
        }
        // Where an order has failed for it, the agent's silence has been told; where one was met, it is over.
        if !report.issued.isEmpty || report.failed.contains(where: { $0.failure.exitStatus == .agentUnavailable }) {
            report.warnings.removeAll { $0.status == .agentUnavailable }
        }
        try finish(report, session)
        if report.failed.isEmpty, let expected = RenewalReport.Warning.status(report.warnings) { return expected }
        return Renew.status(report.failed.map(\.failure.exitStatus))
    }

    /// The declared certificates, or those of them that are named.
    private func chosen(_ session: Session) throws -> [DeclaredCertificate] {
        let all = session.settings.declared
        guard !names.isEmpty else { return all }
        var chosen: [DeclaredCertificate] = []
        for text in names {
            let name = try session.certificateName(argument: text)
            guard let found = all.first(where: { $0.name == name || $0.name.spellings.contains(name) }) else {
                throw Failure.usage(
                    "the configuration declares no certificate \"\(TerminalText.safe(text, limit: 80))\"",
                    hint: all.isEmpty
                        ? "a [[certificate]] part with names declares one" : "it declares \(Wording.list(all.map(\.name.rawValue)))")
            }
            if !chosen.contains(where: { $0.name == found.name }) { chosen.append(found) }
        }
        return chosen
    }

    /// What is to be done for each. No CA is asked, and the agent only for the keys of certificates that are as
    /// declared.
    private func states(of declared: [DeclaredCertificate], _ report: inout Report, _ session: Session) async -> [DeclarationState] {
        var states: [DeclarationState] = []
        for certificate in declared {
            do { states.append(try await state(of: certificate, fault: nil, session)) } catch {
                report.add(Failure(error), of: certificate.name, session.output)
            }
        }
        guard states.contains(where: { $0.action == .none }) else { return states }
        let agent = await AgentView.ask(session)
        report.warnings = [agent.warning].compactMap(\.self)
        var grants = agent.renewalGrants(session)
        for (index, state) in states.enumerated() {
            guard state.action == .none, let stored = state.stored else { continue }
            let key = stored.metadata.key
            let isCompromised = (try? await session.store.isCompromised(key.fingerprint)) ?? false
            guard let fault = isCompromised ? .compromised : agent.fault(of: key.name), fault != .gone else {
                if let lack = await grants?.lack(of: stored) { report.warnings.append(RenewalReport.Warning(stored.name, lack)) }
                continue
            }
            if let changed = try? await self.state(of: state.declared, fault: fault, session) { states[index] = changed }
        }
        return states
    }

    private func state(
        of declared: DeclaredCertificate, fault: CertificateReport.KeyFault?, _ session: Session
    ) async throws -> DeclarationState {
        let name = session.stored(declared.name.spellings) ?? declared.name
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        let remembered = try Issue.remembered(memory, name, session.output)
        let stored = try await session.store.certificate(named: name)
        var record: RenewalRecord?
        if let stored { record = await session.renewalRecord(of: stored) }
        return DeclarationState(
            declared, as: name, stored, try await session.store.journal(named: name),
            settings: session.settings.certificate(named: name.rawValue, given: declared.settings, remembered: remembered),
            remembered: remembered, cas: session.settings.cas(of: name.rawValue),
            isCANamed: declared.settings.ca != nil || session.settings.isDirectoryGiven, fault: fault, window: record?.window,
            isRevokedByCA: record?.revocation != nil, now: Session.now)
    }

    /// Fails with what would keep an order from being placed, as far as it can be seen without CA and agent.
    private func check(_ state: DeclarationState, _ session: Session) async throws {
        try session.settings.checkKeyFileGroup()
        let settings = try settings(of: state, session).used
        try check(settings, of: state, session)
        guard let account = try await session.store.account(at: state.directory) else {
            throw IssuanceError.noAccount(directory: state.directory)
        }
        guard !account.isDeactivated else {
            throw IssuanceError.accountClosed(account.key, nil, contact: account.contact, directory: account.directory)
        }
        try IssuanceFlow.check(settings.solvers(for: account.url), for: state.request.identifiers)
    }

    /// Refuses hooks that could not be started, but only warns of them where there is a certificate: as with `renew`, one
    /// without its hook is better than an expired one, and the next run tries the hook again.
    private func check(_ settings: CertificateSettings, of state: DeclarationState, _ session: Session) throws(Failure) {
        do throws(Failure) { try Hooks.check(settings) } catch {
            guard state.stored != nil else { throw error }
            session.output.warning("\(state.name): \(error.message)", hint: error.hint)
        }
    }

    /// How a certificate is ordered, and what is remembered of that.
    private func settings(
        of state: DeclarationState, _ session: Session
    ) throws -> (used: CertificateSettings, remembered: CertificateSettings) {
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        let remembered = try Issue.remembered(memory, state.name, session.output)
        let used = session.settings.certificate(named: state.name.rawValue, given: state.declared.settings, remembered: remembered)
        return (used, remembered)
    }

    private func order(_ states: [DeclarationState], _ before: Report, _ session: Session) async throws -> Report {
        try session.settings.checkKeyFileGroup()
        let display = ProgressDisplay(session.output)
        return try await session.followed(display) { [self] _ in
            let keys = try await session.keys()
            var report = before
            for state in states {
                do {
                    session.output.note(state.text(now: Session.now))
                    if let outcome = try await order(state, keys, display, session) { report.issued.append(outcome) }
                } catch {
                    try Task.checkCancellation()
                    await IssuanceFlow.endOrder(named: state.name, at: state.directory, in: session.store, after: error)
                    display.erase()
                    report.add(await session.explained(Failure(error)), of: state.name, session.output)
                }
            }
            return report
        }
    }

    private func order(
        _ state: DeclarationState, _ keys: AgentKeyProvider, _ display: ProgressDisplay, _ session: Session
    ) async throws -> IssuanceOutcome? {
        let (settings, remembered) = try settings(of: state, session)
        // What a CA may decide otherwise is remembered as requested, so that it is not ordered again and again.
        var kept = remembered
        kept.profile = state.declared.settings.profile ?? kept.profile
        kept.preferredChain = state.declared.settings.preferredChain ?? kept.preferredChain
        kept.mustStaple = state.declared.settings.mustStaple ?? kept.mustStaple
        var request = state.request
        request.replacesUndeployed = state.action == .renew || state.action == .replace
        request.oldKey = try CertificateOptions.unset.oldKeyChoice(of: state.stored, session)
        let order = CertificateOrder(
            request: request, directory: state.directory, settings: settings, kept: kept, isFirst: state.stored == nil)
        return try await session.callingFailureHook(of: state.name, settings) {
            try check(settings, of: state, session)
            return try await order.place(session, keys: keys, display) { state.isWanted($0, $1, now: Session.now) }
        }
    }

    private func finish(_ report: Report, _ session: Session) throws {
        let now = Session.now, output = session.output
        var lines = report.issued.map { CertificateReport($0).brief }
        let failed = Set(report.failed.map(\.name))
        for state in report.states where output.verbosity > .quiet && (dryRun && !failed.contains(state.name) || !state.isToDo) {
            lines.append(output.given.named(output.given.added(to: state.text(now: now))))
        }
        for name in report.undeclared {
            output.note("\(name): not declared, left alone (acme-agent forget \(name) removes it)")
        }
        let isTrue = !report.states.isEmpty && report.failed.isEmpty && report.states.allSatisfy { $0.action == .none }
        RenewalReport.Warning.print(report.warnings, output)
        if isTrue { output.note("everything is as declared: nothing was ordered") }
        if dryRun, report.states.contains(where: \.isToDo) { output.note("a dry run: no CA was contacted and nothing was changed") }
        try output.result(lines.joined(separator: "\n")) { json in
            json.member("dryRun", dryRun)
            json.name("certificates")
            json.beginArray()
            for state in report.states {
                json.beginObject()
                json.member("name", state.name.rawValue)
                json.member("action", state.action.rawValue)
                json.member("reasons", state.words)
                json.endObject()
            }
            json.endArray()
            json.name("issued")
            json.beginArray()
            for outcome in report.issued { CertificateReport(outcome).write(to: &json) }
            json.endArray()
            json.member("undeclared", report.undeclared.map(\.rawValue))
            json.name("failed")
            Failure.write(report.failed, to: &json)
            json.name("warnings")
            RenewalReport.Warning.write(report.warnings, to: &json)
        }
    }
}
