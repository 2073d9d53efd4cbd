import ACME
import ACMEClient
import AgentClient
import CertificateStore
import Issuance
import Synchronization

/// Renewals of the store's certificates: what `renew` and `run` have in common.
struct Renewals: RenewalWork {
    let session: Session
    /// From the command line; they override the certificates' own settings for this run.
    private let given: CertificateSettings
    private let options: CertificateOptions
    private let display: ProgressDisplay
    private let isForced: Bool
    /// Whether the user names the certificates; otherwise a timer may be running.
    private let isNamed: Bool
    private var timings: Timings?
    let progress = Progress()

    init(
        _ session: Session, given: CertificateSettings, _ options: CertificateOptions, _ display: ProgressDisplay, isForced: Bool,
        isNamed: Bool
    ) {
        self.session = session
        self.given = given
        self.options = options
        self.display = display
        self.isForced = isForced
        self.isNamed = isNamed
    }

    func timed(by timings: Timings?) -> Renewals {
        var copy = self
        copy.timings = timings
        return copy
    }

    /// What is known so far, shared by concurrent renewals.
    final class Progress: Sendable {
        struct State {
            var report = RenewalReport()
            var found: [CertificateName: Found] = [:]
            var records: [CertificateName: RenewalRecord] = [:]
            /// Another run is working on these.
            var locked: [CertificateName] = []
            var keys: AgentKeyProvider?
            /// Why the agent cannot be reached.
            var agentFailure: Failure?
        }

        let state = Mutex(State())
        /// Orders that need the same address follow each other.
        let listener = Gate(limit: 1)
        let looks = LookClients()
    }

    /// What the store has under a name.
    struct Found: Sendable {
        var name: CertificateName
        var stored: StoredCertificate?
        var journal: OrderJournal?

        /// Whether it is installed, but its deploy hook has not succeeded.
        var isUndeployed: Bool { journal.map { !$0.hasFailed && $0.isInstalled(as: stored) } ?? false }
        /// Whether no ACME CA renews it.
        var isImported: Bool { stored.map { $0.metadata.directory == nil } ?? false }
        /// Whether it was imported, and its deploy hooks have not all succeeded.
        var isToDeploy: Bool {
            guard isImported, let stored, journal?.hasFailed ?? true else { return false }
            return !stored.isDeployed && !stored.isRevoked && stored.metadata.notAfter > Session.now
        }
    }

    /// What is wrong with keys, by fingerprint: their certificates are replaced before they are due.
    private typealias LostKeys = [String: CertificateReport.KeyFault]

    /// In the names' order.
    var report: RenewalReport {
        var report = progress.state.withLock { $0.report }
        report.renewed.sort { $0.certificate.name < $1.certificate.name }
        report.toRequest.sort { $0.name < $1.name }
        report.notDue.sort { $0.name < $1.name }
        return report
    }

    // MARK: Named certificates

    /// Renews these if they are due, interrupted or forced.
    /// - Throws: `IssuanceError.notFound`; what concerns all of them. A certificate's own failure is in the report.
    func run(_ names: [CertificateName]) async throws {
        var found = await read(names)
        let lost = await lostKeys(of: found)
        var revoked: Set<CertificateName> = [], windows: [CertificateName: RenewalRecord.Window] = [:]
        found = try await found.asyncFilter { entry in
            if entry.isToDeploy, let stored = entry.stored {
                if try await deployAgain(entry.name) { progress.state.withLock { $0.report.notDue.append(stored) } }
                return false
            }
            if entry.isImported, entry.journal?.hasFailed ?? true {
                progress.state.withLock { $0.report.add(Renew.notACME(entry.name), of: entry.name, session.output) }
                return false
            }
            let record = await entry.stored.asyncFlatMap { await session.renewalRecord(of: $0) }
            if record?.revocation != nil { revoked.insert(entry.name) }
            windows[entry.name] = record?.window
            if isToDo(entry, lost, record?.window, isRevokedByCA: record?.revocation != nil) {
                noteLostKey(of: entry, lost)
                return true
            }
            guard let stored = entry.stored else { throw IssuanceError.notFound(entry.name) }
            progress.state.withLock { state in
                state.report.notDue.append(stored)
                state.report.windows[entry.name] = record?.window
            }
            return false
        }
        remember(found)
        for entry in found {
            try Task.checkCancellation()
            let isRevoked = revoked.contains(entry.name), serial = entry.stored?.metadata.serial
            let isWantedAnyway = isToDo(
                Found(name: entry.name, stored: entry.stored), lost, windows[entry.name], isRevokedByCA: isRevoked)
            _ = try await renew(entry.name, at: nil, replacesUndeployed: isWantedAnyway) { stored, journal in
                isToDo(
                    Found(name: entry.name, stored: stored, journal: journal), lost, nil,
                    isRevokedByCA: isRevoked && stored?.metadata.serial == serial)
            }
        }
    }

    private func isToDo(_ entry: Found, _ lost: LostKeys, _ window: RenewalRecord.Window?, isRevokedByCA: Bool = false) -> Bool {
        let isKeyLost = entry.stored.map { lost[$0.metadata.key.fingerprint] != nil } ?? false
        return Renew.isToDo(
            entry.stored, entry.journal, isNamed: isNamed, force: isForced, isKeyLost: isKeyLost || isRevokedByCA, window: window,
            now: Session.now)
    }

    // MARK: Everything that is due

    /// One round of the scheduler over all certificates.
    /// - Returns: when there is something to do again, Unix seconds.
    @discardableResult func runDue(atOnce: Int) async throws -> Int64 {
        var limits = RenewalScheduler.Limits()
        limits.atOnce = atOnce
        let scheduler = RenewalScheduler(work: self, limits: limits)
        let round: RenewalScheduler.Round
        do { round = try await scheduler.round() } catch {
            await progress.looks.close()
            throw error
        }
        await progress.looks.close()
        for name in progress.state.withLock({ $0.locked }) { try await renewLater(name) }
        var undeployed: Set<CertificateName> = []
        for name in progress.state.withLock({ $0.found.values.filter(\.isToDeploy).map(\.name).sorted() }) {
            if try await !deployAgain(name) { undeployed.insert(name) }
        }
        progress.state.withLock { state in
            state.report.postponed = round.postponed
            let tried = Set(round.results.map(\.name) + round.postponed.map(\.name))
            for (name, entry) in state.found where !tried.contains(name) && !undeployed.contains(name) {
                guard let stored = entry.stored, !stored.isRevoked else { continue }
                if stored.metadata.directory == nil, RenewalTiming(stored).due(nil) <= Session.now {
                    state.report.toRequest.append(stored)
                    continue
                }
                state.report.notDue.append(stored)
                if let record = state.records[name], record.serial == stored.metadata.serial {
                    state.report.windows[name] = record.window
                }
            }
        }
        return undeployed.isEmpty ? round.next : min(round.next, Session.now + Self.deployPause)
    }

    /// Seconds after which the hooks of an imported certificate are run again.
    private static let deployPause: Int64 = 3_600

    /// Does what is left to be done for an imported certificate whose deploy hooks have failed or were cut off.
    /// - Returns: `false` if that failed, which is reported.
    private func deployAgain(_ name: CertificateName) async throws -> Bool {
        try Task.checkCancellation()
        guard let keys = try await keys(for: name) else { return false }
        let remembered = (try? RememberedSettings(stateDirectory: session.settings.stateDirectory).read(name)) ?? CertificateSettings()
        let settings = session.settings.certificate(named: name.rawValue, given: given, remembered: remembered)
        do {
            try Hooks.check(settings)
            let requests = CertificateRequests(store: session.store, keys: keys, observer: display.observer)
            let oldKey = try options.oldKeyChoice(of: try await session.store.certificate(named: name), session)
            _ = try await requests.deployAgain(
                name, settings.deployHooks.map { Hooks.deploy($0, stateDirectory: session.settings.stateDirectory, oldKey: oldKey) },
                oldKey, grace: .seconds(settings.oldKeyGrace ?? CertificateSettings.defaultOldKeyGrace))
            return true
        } catch let error as StoreError where error.reason == .locked {
            // The run that holds the lock is at it.
            return true
        } catch {
            try Task.checkCancellation()
            display.erase()
            let failure = await session.explained(Failure(error))
            progress.state.withLock { $0.report.add(failure, of: name, session.output) }
            await session.callFailureHook(of: name, settings, failure)
            return false
        }
    }

    /// How long to wait for another run's work on a certificate. An issuance takes seconds.
    private static let patience: Duration = .seconds(60)

    /// Waits for another run that is working on a certificate, and renews it if that run did not.
    private func renewLater(_ name: CertificateName) async throws {
        let end = ContinuousClock.now + Self.patience
        session.output.note("waiting for another run that is working on \(name)")
        while ContinuousClock.now < end {
            do throws(StoreError) {
                try await session.store.lock(name).release()
                break
            } catch { guard error.reason == .locked else { break } }
            try await Task.sleep(for: .milliseconds(200))
        }
        let entry = progress.state.withLock { $0.found[name] }
        _ = try await renew(name, at: nil, isLast: true) { stored, journal in isStillWanted(entry, stored, journal) }
    }

    /// Under the certificate's lock: whether nobody else has replaced it or finished its order.
    private func isStillWanted(_ entry: Found?, _ stored: StoredCertificate?, _ journal: OrderJournal?) -> Bool {
        if entry?.journal.map({ !$0.hasFailed }) ?? false { return journal.map { !$0.hasFailed } ?? false }
        return stored?.metadata.serial == entry?.stored?.metadata.serial && !(stored?.isRevoked ?? false)
    }

    func candidates() async throws -> [RenewalCandidate] {
        let store = session.store
        let journals = try await store.journalNames()
        let found = await read(Set(try await store.certificateNames() + journals).sorted(), journals: Set(journals))
        let lost = await lostKeys(of: found)
        remember(found)
        return found.compactMap { entry in
            let reason: RenewalCandidate.Reason?
            var openAt: ACMEURL?
            if let journal = entry.journal, !journal.hasFailed, !entry.isUndeployed || entry.stored?.isRevoked ?? true {
                reason = .interrupted
                if journal.order != nil { openAt = journal.directory }
            } else if entry.isImported {
                // A person must ask its CA for another one: `renew --all` says so in time.
                return nil
            } else if entry.stored == nil || entry.stored?.isRevoked ?? false {
                // What failed, and what its user revoked, is left alone.
                return nil
            } else if noteLostKey(of: entry, lost) {
                reason = .keyLost
            } else if isForced {
                reason = .forced
            } else {
                reason = entry.isUndeployed ? .undeployed : nil
                if entry.isUndeployed { openAt = entry.stored?.metadata.directory }
            }
            let metadata = entry.stored?.metadata
            return RenewalCandidate(
                name: entry.name, directories: directories(of: entry), notBefore: metadata?.notBefore ?? 0,
                notAfter: metadata?.notAfter ?? 0, serial: metadata?.serial,
                identifiers: entry.journal.flatMap { $0.hasFailed ? nil : $0.identifiers } ?? metadata?.identifiers ?? [], reason: reason,
                openAt: openAt)
        }
    }

    /// The CAs in the order in which they are asked: that of the order or the certificate, then the second one.
    private func directories(of entry: Found) -> [ACMEURL] {
        if session.settings.isDirectoryGiven { return [session.settings.directory] }
        let cas = session.settings.cas(of: entry.name.rawValue), second = cas.second?.directory
        let journal = entry.journal.flatMap { $0.hasFailed ? nil : $0.directory }
        // What the second one has issued, or was asked for, while the first one was down is the first one's again.
        let known = [journal, entry.stored?.metadata.directory].compactMap(\.self).first { $0 != second }
        let own = known ?? cas.first.directory
        return [own] + [second].compactMap(\.self).filter { $0 != own }
    }

    func records(of names: [CertificateName]) async -> [RenewalRecord] {
        var records: [RenewalRecord] = []
        for name in names {
            // A damaged one is replaced.
            records.append((try? await session.store.renewalRecord(named: name)) ?? RenewalRecord(name: name))
        }
        progress.state.withLock { state in for record in records { state.records[record.name] = record } }
        return records
    }

    func keep(_ record: RenewalRecord) async {
        progress.state.withLock { $0.records[record.name] = record }
        do throws(StoreError) { try await session.store.write(record) } catch {
            session.output.warning("\(record.name): when to renew it could not be stored: \(error.message)")
        }
    }

    func room(at directory: ACMEURL, now: Int64) async -> CARoom? {
        let limits = session.settings.knownCA(at: directory).limits
        guard limits != .unknown else { return nil }
        return CARoom(limits, (try? session.store.orderCount(at: directory)) ?? OrderCount(directory: directory), now: now)
    }

    func renew(_ candidate: RenewalCandidate, at directory: ACMEURL) async throws -> RenewalAttempt {
        let entry = progress.state.withLock { $0.found[candidate.name] }
        let isHookAlone = candidate.reason == .undeployed || candidate.reason == .interrupted
        return try await renew(candidate.name, at: directory, replacesUndeployed: !isHookAlone) { stored, journal in
            isStillWanted(entry, stored, journal)
        }
    }

    // MARK: One certificate

    /// - Parameter journals: the names that have one, if it is known.
    private func read(_ names: [CertificateName], journals: Set<CertificateName>? = nil) async -> [Found] {
        let store = session.store
        var found: [Found] = []
        for name in names {
            do throws(StoreError) {
                let hasJournal = journals?.contains(name) ?? true
                found.append(
                    Found(
                        name: name, stored: try await store.certificate(named: name),
                        journal: hasJournal ? try await store.journal(named: name) : nil))
            } catch { progress.state.withLock { $0.report.add(Failure(error), of: name, session.output) } }
        }
        return found
    }

    /// Says that a certificate gets a new key.
    /// - Returns: Whether its key is retired or compromised.
    @discardableResult private func noteLostKey(of entry: Found, _ lost: LostKeys) -> Bool {
        guard let key = entry.stored?.metadata.key, let fault = lost[key.fingerprint] else { return false }
        session.output.note("\(entry.name): its key \"\(key.name)\" is \(fault.rawValue); it gets a new one")
        return true
    }

    private func remember(_ found: [Found]) {
        progress.state.withLock { $0.found = Dictionary(found.map { ($0.name, $0) }) { first, _ in first } }
    }

    /// The compromised keys and, as far as the agent answers, the retired ones. A key that is gone is no reason: a
    /// grant may be off for a while. The report gets what the agent says of the renewals to come.
    private func lostKeys(of found: [Found]) async -> LostKeys {
        var lost: LostKeys = [:], others: [StoredCertificate] = []
        let compromised = (try? session.store.compromisedKeys()) ?? []
        for entry in found where !entry.isImported {
            guard let stored = entry.stored, !stored.isRevoked else { continue }
            let key = stored.metadata.key
            if compromised.contains(key.fingerprint) {
                lost[key.fingerprint] = .compromised
            } else if entry.isUndeployed || !isToDo(entry, [:], nil) {
                others.append(stored)
            }
        }
        guard !others.isEmpty else { return lost }
        let agent = await AgentView.ask(session)
        for key in others.map(\.metadata.key) where agent.fault(of: key.name) == .retired { lost[key.fingerprint] = .retired }
        var warnings = [agent.warning].compactMap(\.self), grants = agent.renewalGrants(session)
        for stored in others where lost[stored.metadata.key.fingerprint] == nil {
            if let lack = await grants?.lack(of: stored) { warnings.append(RenewalReport.Warning(stored.name, lack)) }
        }
        progress.state.withLock { [warnings] in
            $0.report.warnings = warnings
            $0.report.hasAgentAnswered = agent.silence == nil
        }
        return lost
    }

    /// The connection to the agent; `nil` if there is none, which is reported once.
    private func keys(for name: CertificateName) async throws -> AgentKeyProvider? {
        let (known, failure) = progress.state.withLock { ($0.keys, $0.agentFailure) }
        if let known { return known }
        if let failure {
            progress.state.withLock { $0.report.failed.append((name, failure)) }
            session.output.record(SystemJournal.Event(failure, of: name))
            return nil
        }
        do {
            let keys = try await session.keys()
            progress.state.withLock { $0.keys = keys }
            return keys
        } catch let error as AgentConnectionError {
            // Reported once for all certificates; those that are not due, or damaged, are reported as well.
            let failure = Failure(error)
            let isFirst = progress.state.withLock { state in
                state.report.failed.append((name, failure))
                defer { state.agentFailure = failure }
                return state.agentFailure == nil
            }
            if isFirst { session.output.report(failure, json: false) }
            session.output.record(SystemJournal.Event(failure, of: name))
            return nil
        }
    }

    /// - Parameters:
    ///   - directory: the CA; `nil` for the order's or the certificate's own.
    ///   - isLast: another run's lock is a failure.
    ///   - replacesUndeployed: see `IssuanceRequest`.
    private func renew(
        _ name: CertificateName, at directory: ACMEURL?, isLast: Bool = false, replacesUndeployed: Bool = false,
        ifStill isWanted: @escaping @Sendable (StoredCertificate?, OrderJournal?) -> Bool
    ) async throws -> RenewalAttempt {
        try session.settings.checkKeyFileGroup()
        // Again before each attempt: the first time it may not have been possible.
        if let stored = progress.state.withLock({ $0.found[name]?.stored }),
            let revocation = await session.renewalRecord(of: stored)?.revocation
        {
            await markIfCompromised(stored, revocation)
        }
        guard let keys = try await keys(for: name) else { return .notTried }
        do {
            if let outcome = try await renew(name, at: directory, keys, replacesUndeployed: replacesUndeployed, isWanted) {
                CertificateOrder.note(outcome, force: isForced, newKey: options.newKey, session.output)
                progress.state.withLock {
                    $0.report.renewed.append(outcome)
                    $0.report.hasAgentAnswered = true
                }
                return .renewed
            }
            if let stored = try await session.store.certificate(named: name) {
                // Another run was first.
                progress.state.withLock { $0.report.notDue.append(stored) }
            }
            return .notTried
        } catch let error as StoreError where error.reason == .locked && !isNamed && !isLast {
            progress.state.withLock { $0.locked.append(name) }
            return .notTried
        } catch {
            try Task.checkCancellation()
            let own = directory ?? progress.state.withLock { $0.found[name]?.journal?.directory }
            if let own { await IssuanceFlow.endOrder(named: name, at: own, in: session.store, after: error) }
            display.erase()
            let failure = await session.explained(Failure(error))
            progress.state.withLock { $0.report.add(failure, of: name, at: own, session.output) }
            // Another run that works on the certificate is no failure: it tells the hook of its own.
            if (error as? StoreError)?.reason == .locked { return .notTried }
            let remembered = (try? RememberedSettings(stateDirectory: session.settings.stateDirectory).read(name)) ?? CertificateSettings()
            let settings = session.settings.certificate(named: name.rawValue, given: given, remembered: remembered)
            await session.callFailureHook(of: name, settings, failure)
            return .failed(RenewalFailure(error, code: failure.code))
        }
    }

    private func renew(
        _ name: CertificateName, at chosen: ACMEURL?, _ keys: AgentKeyProvider, replacesUndeployed: Bool,
        _ isWanted: @escaping @Sendable (StoredCertificate?, OrderJournal?) -> Bool
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
        if given.dnsWait != nil, isNamed, !settings.canWaitForDNS {
            throw Failure.usage("--dns-wait has no effect without a DNS hook", hint: "--dns-hook PROGRAM or --dns-update SERVER")
        }
        if settings.deployHooks != nil || settings.failureHook != nil {
            // A certificate without its hook is better than an expired one; the next run tries the hook again.
            do throws(Failure) { try Hooks.check(settings) } catch {
                guard given.deployHooks == nil, given.failureHook == nil else { throw error }
                session.output.warning("\(name): \(error.message)")
            }
        }
        let oldKey = try options.oldKeyChoice(of: stored, session)
        if stored != nil, options.newKey { session.warnOfOldKey(of: name, settings, oldKey, isMade: false) }
        if let chosen { directory = chosen } else if session.settings.isDirectoryGiven { directory = session.settings.directory }
        request.newKey = options.newKey
        request.oldKey = oldKey
        if options.newKey || given.keyType != nil, let type = settings.keyType { request.keyAlgorithm = type }
        request.isKeyAlgorithmWanted = given.keyType != nil
        request.profile = given.profile ?? request.profile
        request.isProfileInherited = request.isProfileInherited && settings.profile != request.profile
        request.preferredRoot = settings.preferredChain
        request.replacesUndeployed = replacesUndeployed
        if let stored, let record = await session.renewalRecord(of: stored) { request.heed(record, now: Session.now) }
        return try await alone(if: settings.hasListener(for: request.identifiers)) { [request, directory] in
            try await session.withFlow(at: directory, keys: keys, settings, display, oldKey: oldKey, timings: timings) {
                // Checked again under the lock: of two concurrent runs the second finds it renewed.
                try await $0.issue(request, ifStill: isWanted)
            }
        }
    }

    private func alone<Result: Sendable>(if isNeeded: Bool, _ body: () async throws -> Result) async throws -> Result {
        guard isNeeded else { return try await body() }
        await progress.listener.enter()
        do {
            let result = try await body()
            await progress.listener.leave()
            return result
        } catch {
            await progress.listener.leave()
            throw error
        }
    }
}
