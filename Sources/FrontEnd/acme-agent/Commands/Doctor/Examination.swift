import ACME
import ACMEClient
import AgentClient
import AgentInterface
import CertificateStore
import DNS
import Glibc
import Issuance
import JOSE
import Varlink

/// The checks of `doctor`. Each ends after a bounded time; what is not known then is said to be unknown.
struct Examination: Sendable {
    /// For everything that asks another machine.
    static let patience: Duration = .seconds(10)
    /// For the agent, which answers from memory. One that does not is asked nothing else.
    private static let agentPatience: Duration = .seconds(5)
    /// Names that are looked up at once, and at most: a store may have thousands.
    private static let atOnce = 8
    static let mostNames = 200
    /// Seconds by which the clock may differ from the CA's. A certificate of six days is valid from an hour before.
    private static let clockSkew: Int64 = 60

    let session: Session
    private let wanted: Set<CertificateName>?
    private let connect: ServerAddress?
    private let lookup: DNSLookup

    /// - Throws: `Failure` for a resolver that is none.
    init(_ session: Session, wanted: Set<CertificateName>?, connect: ServerAddress?, resolver: String?) throws(Failure) {
        self.session = session
        self.wanted = wanted
        self.connect = connect
        if let resolver {
            guard let name = DNSServerName(resolver), case .address(let address) = name.host else {
                throw .usage("\"\(TerminalText.safe(resolver, limit: 80))\" is not a resolver's address", hint: "--dns-resolver 192.0.2.53")
            }
            lookup = DNSLookup(resolvers: [DNSServer(address, port: name.port)])
        } else {
            lookup = DNSLookup(resolvers: ResolverList.system())
        }
    }

    func findings() async throws -> [Diagnosis] {
        let (answered, silence) = await agent()
        var found = answered + settings() + store()
        let contents = try await StoreContents(session, agent: silence.map { AgentView(silence: $0) })
        let reports = contents.reports.filter { wanted?.contains($0.certificate.name) ?? true }
        found += await certificates(contents)
        var directories = [session.settings.directory]
        for directory in reports.compactMap(\.certificate.metadata.directory) where !directories.contains(directory) {
            directories.append(directory)
        }
        // A renewal falls back to it only if there is an account.
        let second = reports.map { session.settings.cas(of: $0.certificate.name.rawValue).second } + [session.settings.secondCA]
        for directory in second.compactMap(\.self?.directory) where !directories.contains(directory) { directories.append(directory) }
        var accounts: [ACMEURL: StoredAccount] = [:]
        var issuers: [ACMEURL: [String]] = [:]
        for directory in directories {
            let (diagnoses, account, names) = await ca(directory, remembered(at: directory, reports), isAgentSilent: silence != nil)
            found += diagnoses
            accounts[directory] = account
            issuers[directory] = names
        }
        found += challenges(reports)
        found += await ports(reports)
        found += hooks(reports)
        found += try await names(reports, accounts, issuers, isAgentSilent: silence != nil)
        return found
    }

    // MARK: This machine

    /// - Returns: also why it does not answer.
    private func agent() async -> ([Diagnosis], silence: Failure?) {
        let status: AgentStatus
        do {
            status = try await Self.bounded(Self.agentPatience, by: VarlinkConnectionError.timedOut) {
                try await session.agent().status()
            }
        } catch {
            let failure = Failure(error)
            return ([.failed(.agent, failure.message, hint: failure.hint)], failure)
        }
        var found: [Diagnosis] = [.ok(.agent, "acme-agentd \(status.version) answers on \(TerminalText.safe(session.settings.socket))")]
        for token in status.tokens {
            found.append(
                token.state == .unavailable
                    ? .failed(.token, token.name, token.message ?? "it is not available", hint: token.hint)
                    : .ok(.token, token.name, token.state.rawValue))
        }
        let needed = [Operation.newOrder, .finalize].map(\.rawValue)
        let mayIssue = status.grants.contains { grant in needed.allSatisfy { grant.operations.contains($0) } }
        found.append(
            mayIssue
                ? .ok(
                    .grants,
                    Wording.count(status.grants.count, "grant") + " for you, which \(status.grants.count == 1 ? "lets" : "let") you order")
                : .failed(
                    .grants, status.grants.isEmpty ? "no grant of the agent's policy names you" : "no grant lets you order certificates",
                    hint: "the agent's administrator adds a grant with issue for user \(status.user)"))
        for line in Status.attention(status) { found.append(.failed(.agent, line, hint: "`acme-agent status` shows all of it")) }
        return (found, nil)
    }

    private func settings() -> [Diagnosis] {
        let file = session.settings.file.map { "\(TerminalText.safe($0)) is read" } ?? "there is none: defaults"
        do throws(Failure) {
            do { try session.settings.checkKeyFileGroup() } catch { throw Failure(error) }
        } catch { return [.failed(.configuration, error.message, hint: error.hint)] }
        return [.ok(.configuration, file)]
    }

    /// Who else may write to the store, or read what is private in it.
    private func store() -> [Diagnosis] {
        let root = session.settings.stateDirectory
        var status = stat()
        guard stat(root, &status) == 0 else {
            return [.unknown(.store, "\(TerminalText.safe(root)) does not exist yet", hint: "`acme-agent account register` makes it")]
        }
        var found: [Diagnosis] = []
        if status.st_mode & 0o022 != 0 {
            found.append(.failed(.store, "others may write to \(TerminalText.safe(root))", hint: "chmod go-w \(TerminalText.safe(root))"))
        }
        if access(root, W_OK | X_OK) != 0 {
            found.append(
                .failed(.store, "you may not write to \(TerminalText.safe(root))", hint: "run this as the user who orders certificates"))
        }
        for name in ["accounts", "orders", "compromised", "outgoing", "renewals", "locks", "settings"] {
            let path = root + "/" + name
            guard stat(path, &status) == 0, status.st_mode & 0o077 != 0 else { continue }
            found.append(.failed(.store, "others may enter \(TerminalText.safe(path))", hint: "chmod 700 \(TerminalText.safe(path))"))
        }
        return found.isEmpty ? [.ok(.store, "\(TerminalText.safe(root)) is yours alone to write")] : found
    }

    private func certificates(_ contents: StoreContents) async -> [Diagnosis] {
        let now = Session.now
        var found = contents.reports.filter { wanted?.contains($0.certificate.name) ?? true }.map { report -> Diagnosis in
            let name = report.certificate.name.rawValue
            if report.concern == .notGranted, let lack = report.grantLack {
                return .failed(.certificates, name, "its renewal would be refused: \(lack.message)", hint: lack.hint)
            }
            if let concern = report.concern { return .failed(.certificates, name, concern.sentence(report), hint: nil) }
            return .ok(
                .certificates, name,
                "valid until \(RFC3339.string(report.certificate.metadata.notAfter))"
                    + (report.renewal.map { ", renewed \(Wording.moment($0, from: now))" } ?? ""))
        }
        for (name, failure) in contents.damaged where wanted?.contains(name) ?? true {
            found.append(.failed(.certificates, name.rawValue, failure.message, hint: failure.hint))
        }
        for journal in contents.interrupted where wanted?.contains(journal.name) ?? true {
            guard !session.store.isLocked(journal.name) else {
                found.append(.ok(.certificates, journal.name.rawValue, "its order is under way"))
                continue
            }
            found.append(
                .failed(
                    .certificates, journal.name.rawValue, "its order \(journal.hasFailed ? "failed" : "was interrupted")",
                    hint: "acme-agent renew \(journal.name), or acme-agent forget --order \(journal.name)"))
        }
        return found.isEmpty ? [.ok(.certificates, "there are none yet")] : found
    }

    /// The root certificates that a certificate of a CA was ordered with, for what the configuration does not say.
    private func remembered(at directory: ACMEURL, _ reports: [CertificateReport]) -> CertificateSettings.CACertificate? {
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        return reports.lazy.filter { $0.certificate.metadata.directory == directory }
            .compactMap { (try? memory.read($0.certificate.name))?.caCertificate }.first
    }

    /// A certificate's settings, with what is remembered of it.
    /// - Throws: if that cannot be read, which is told with the challenges.
    func settings(of name: CertificateName) throws -> CertificateSettings {
        let remembered = try RememberedSettings(stateDirectory: session.settings.stateDirectory).read(name)
        return session.settings.certificate(named: name.rawValue, given: CertificateSettings(), remembered: remembered)
    }

    /// What can be seen of the challenges' set-up without an order.
    private func challenges(_ reports: [CertificateReport]) -> [Diagnosis] {
        reports.filter { !$0.certificate.isRevoked && $0.certificate.metadata.directory != nil }.map { report in
            let name = report.certificate.name
            let settings: CertificateSettings
            do { settings = try self.settings(of: name) } catch {
                let failure = Failure(error)
                return .failed(.challenges, name.rawValue, failure.message, hint: failure.hint)
            }
            let all = settings.solvers(for: report.certificate.metadata.account)
            let solvers = all.filter { solver in report.certificate.metadata.identifiers.contains { solver.canSolve($0) } }
            for identifier in report.certificate.metadata.identifiers where !solvers.contains(where: { $0.canSolve(identifier) }) {
                let failure = Failure(IssuanceError.noSolver(identifier, offered: []))
                return .failed(.challenges, name.rawValue, "no configured challenge can validate \(identifier.value)", hint: failure.hint)
            }
            for solver in solvers {
                do { try solver.check() } catch {
                    let failure = Failure(error)
                    return .failed(.challenges, name.rawValue, failure.message, hint: failure.hint)
                }
            }
            return .ok(.challenges, name.rawValue, Wording.list(Set(solvers.map(\.type.rawValue)).sorted()) + " can be set up")
        }
    }

    // MARK: The CA

    private func ca(_ directory: ACMEURL, _ roots: CertificateSettings.CACertificate?, isAgentSilent: Bool) async -> (
        [Diagnosis], StoredAccount?, issuers: [String]
    ) {
        let known = session.settings.knownCA(at: directory), name = known.name ?? directory.host
        var found: [Diagnosis] = []
        var issuers = [known.issuerDomain].compactMap(\.self)
        var terms: String?
        do {
            let (response, offered) = try await session.withTransport(to: directory, remembered: roots) { transport in
                try await Self.bounded {
                    var request = HTTPRequest(.get, directory, responseLimit: 1 << 20)
                    request.timeLimit = Self.patience
                    let response = try await transport.send(request)
                    return (response, try await ACMEClient(directory: directory, transport: transport).directory())
                }
            }
            found.append(.ok(.ca, name, "answers"))
            terms = offered.termsOfService
            issuers += offered.caaIdentities.filter { !issuers.contains($0) }
            if let date = response.headers["Date"].flatMap({ HTTPDate.seconds($0, now: Session.now) }) {
                let skew = date - Session.now
                found.append(
                    abs(skew) <= Self.clockSkew
                        ? .ok(.clock, name, "agrees with the CA's")
                        : .failed(
                            .clock, name,
                            "this machine's clock is \(Wording.duration(seconds: abs(skew))) \(skew > 0 ? "behind" : "ahead of") the CA's",
                            hint: "set it, and keep it set: timedatectl set-ntp true"))
            }
        } catch {
            let failure = Failure(error)
            found.append(.failed(.ca, name, failure.message, hint: failure.hint))
        }
        do throws(StoreError) {
            guard let account = try await session.store.account(at: directory) else {
                found.append(
                    .failed(.account, name, "there is no account", hint: "acme-agent account register --agree-tos --directory \(directory)")
                )
                return (found, nil, issuers)
            }
            found.append(await look(at: account, name, roots, isAgentSilent: isAgentSilent))
            if let terms, let agreed = account.termsOfService, terms != agreed, !account.isDeactivated {
                found.append(
                    .unknown(
                        .account, name, "its terms of service are now \(TerminalText.safe(terms, limit: 300))",
                        hint: "read them; acme-agent account update --agree-tos --directory \(directory) agrees to them"))
            }
            return (found, account, issuers)
        } catch {
            found.append(.failed(.account, name, error.message, hint: error.hint))
            return (found, nil, issuers)
        }
    }

    /// Whether the CA has the account. The agent signs this request; nothing is changed.
    private func look(
        at account: StoredAccount, _ name: String, _ roots: CertificateSettings.CACertificate?, isAgentSilent: Bool
    ) async -> Diagnosis {
        let directory = account.directory
        guard !account.isDeactivated else {
            return .failed(
                .account, name, "it is deactivated", hint: "acme-agent account register --agree-tos --directory \(directory) --key NAME")
        }
        guard let url = account.url else {
            return .failed(
                .account, name, "its registration was interrupted", hint: "acme-agent account recover --directory \(directory)")
        }
        // Which of the keys the CA has is found out by the next command that uses the account.
        guard account.nextKey == nil else { return .unknown(.account, name, "a change of its key was interrupted: \(url)") }
        guard !isAgentSilent else {
            return .unknown(.account, name, "\(url): the CA cannot be asked: the agent, which signs the request, does not answer")
        }
        do {
            let status = try await session.withTransport(to: directory, remembered: roots) { transport in
                try await Self.bounded {
                    let keys = try await session.keys()
                    guard let key = try await keys.key(named: account.key) else { throw IssuanceError.keyMissing(account.key) }
                    let client = ACMEClient(directory: directory, transport: transport)
                    return try await client.signing(by: try await keys.signer(for: key), account: url).fetchAccount().status
                }
            }
            return status == .valid
                ? .ok(.account, name, url.text)
                : .failed(
                    .account, name, "the CA says that it is \(status.rawValue)",
                    hint: "acme-agent account register --agree-tos --directory \(directory) --key NAME")
        } catch {
            let failure = Failure(error)
            if let error = error as? ACMEClientError, error.problem != nil, !error.isOutage {
                return .failed(
                    .account, name, failure.message, hint: "acme-agent account recover --directory \(directory) finds out what is wrong")
            }
            // What is wrong with the CA or the agent is said elsewhere.
            return .unknown(.account, name, "\(url): \(failure.message)", hint: failure.hint)
        }
    }

    private static func bounded<Result: Sendable>(
        _ limit: Duration = patience,
        by failure: any Error = Failure("unreachable", .temporary, "no answer within \(patience.components.seconds) s"),
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: limit)
                throw failure
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }

    // MARK: Names

    private struct Name: Sendable {
        var identifier: Identifier
        var certificate: StoredCertificate
        var methods: [String]
        /// Where to look for the record of dns-persist-01, if it may prove the name.
        var persist: DNSUpdateSettings?
    }

    private func names(
        _ reports: [CertificateReport], _ accounts: [ACMEURL: StoredAccount], _ issuers: [ACMEURL: [String]], isAgentSilent: Bool
    ) async throws -> [Diagnosis] {
        var names: [Name] = []
        for report in reports where !report.certificate.isRevoked {
            let certificate = report.certificate
            let settings =
                (try? settings(of: certificate.name))
                ?? session.settings.certificate(
                    named: certificate.name.rawValue, given: CertificateSettings(), remembered: CertificateSettings())
            let solvers = settings.solvers(for: certificate.metadata.account)
            for identifier in certificate.metadata.identifiers where names.count < Self.mostNames {
                names.append(
                    Name(
                        identifier: identifier, certificate: certificate,
                        methods: solvers.filter { $0.canSolve(identifier) }.map(\.type.rawValue),
                        persist: { if case .dns(let name) = identifier { settings.persistSettings(for: name) } else { nil } }()))
            }
        }
        var found: [Diagnosis] = []
        var thumbprints: [KeyName: String] = [:]
        if !isAgentSilent, names.contains(where: { $0.persist != nil }) {
            for key in (try? await session.agent().keys()) ?? [] { thumbprints[key.name] = key.publicKey.thumbprint }
        }
        let known = thumbprints
        var rest = names[...]
        while !rest.isEmpty {
            let some = Array(rest.prefix(Self.atOnce))
            rest = rest.dropFirst(Self.atOnce)
            try Task.checkCancellation()
            found += await withTaskGroup(of: (Int, [Diagnosis]).self) { group in
                for (index, name) in some.enumerated() {
                    group.addTask {
                        let directory = name.certificate.metadata.directory
                        let account = directory.flatMap { accounts[$0] }, issuers = directory.flatMap { issuers[$0] } ?? []
                        return (index, await look(at: name, account, issuers, known))
                    }
                }
                var results: [(Int, [Diagnosis])] = []
                for await result in group { results.append(result) }
                return results.sorted { $0.0 < $1.0 }.flatMap(\.1)
            }
        }
        return found
    }

    private func look(
        at name: Name, _ account: StoredAccount?, _ issuers: [String], _ thumbprints: [KeyName: String]
    ) async -> [Diagnosis] {
        var found: [Diagnosis] = []
        if case .dns(let dns) = name.identifier, let domain = try? DomainName(dns.base) {
            if !dns.isWildcard { found.append(await addresses(of: domain, name)) }
            // What another CA needs is not known.
            if name.certificate.metadata.directory != nil { found.append(await caa(of: domain, name, account, issuers)) }
            if let settings = name.persist, let account {
                found.append(await persist(dns, name, DNSPersist(settings), account, thumbprints[account.key]))
            }
        }
        found.append(await served(name))
        return found
    }

    /// Whether the record of dns-persist-01 is there, is for this account, and lasts.
    private func persist(
        _ dns: DNSName, _ name: Name, _ solver: DNSPersist, _ account: StoredAccount, _ thumbprint: String?
    ) async -> Diagnosis {
        let subject = name.identifier.value, record = DNSPersistRecord.name(for: dns)
        guard let url = account.url else { return .unknown(.persist, subject, "the account has no URL yet") }
        let ending: DNSPersist.Ending
        do {
            ending = try await Self.bounded { try await solver.ending(of: dns, account: url, thumbprint: thumbprint) }
        } catch { return .unknown(.persist, subject, TerminalText.safe("\(error)", limit: 300)) }
        if case .at(let time) = ending, time - Session.now >= DNSPersist.warningTime {
            return .ok(.persist, subject, "\(record) lasts until \(RFC3339.string(time))")
        }
        guard let line = PersistAttention.line(dns, ending, now: Session.now) else {
            return .ok(.persist, subject, "\(record) has no end")
        }
        // Another challenge may do as well, if the CA offers it.
        return name.methods.allSatisfy { $0 == ChallengeType.dnsPersist01.rawValue }
            ? .failed(.persist, subject, line, hint: nil) : .unknown(.persist, subject, line)
    }

    private func addresses(of domain: DomainName, _ name: Name) async -> Diagnosis {
        let subject = name.identifier.value
        do {
            let found = try await Self.bounded { try await lookup.hostAddresses(of: domain) }
            return .ok(.dns, subject, Wording.list(found.map(\.text), limit: 8))
        } catch {
            let isNeeded = name.methods.allSatisfy { $0 == "http-01" || $0 == "tls-alpn-01" }
            let hint = "the CA and clients connect to the addresses that A and AAAA records name"
            // The lookup's words are about servers.
            let isWithout = if case .noAddress? = error as? DNSError { true } else { false }
            let message = isWithout ? "it has no A or AAAA record" : TerminalText.safe("\(error)", limit: 300)
            return isNeeded ? .failed(.dns, subject, message, hint: hint) : .unknown(.dns, subject, message)
        }
    }

    private func caa(of domain: DomainName, _ name: Name, _ account: StoredAccount?, _ issuers: [String]) async -> Diagnosis {
        let subject = name.identifier.value, isWildcard = name.identifier.isWildcard
        let found: (name: DomainName, records: [CAARecord])?
        do { found = try await Self.bounded { try await lookup.certificationAuthorities(for: domain) } } catch {
            return .unknown(.caa, subject, TerminalText.safe("\(error)", limit: 300))
        }
        guard let issuer = issuers.first else {
            return found == nil
                ? .ok(.caa, subject, "no CAA record: any CA may issue")
                : .unknown(.caa, subject, "the CA does not say its name in CAA records")
        }
        let url = account?.url?.text ?? ""
        let record = Self.record(domain, isWildcard: isWildcard, issuer: issuer, account: url, methods: name.methods)
        guard let found else { return .ok(.caa, subject, "no CAA record: any CA may issue; only this account could with: \(record)") }
        let question = CAAQuestion(issuers: issuers, isWildcard: isWildcard, account: url, methods: name.methods)
        let place = "the CAA records of \(found.name)"
        switch question.verdict(on: found.records) {
        case .unrestricted: return .ok(.caa, subject, "\(place) restrict no such certificate")
        case .allowed: return .ok(.caa, subject, "\(place) allow it")
        case .otherIssuers(let others):
            let named = others.filter { !$0.isEmpty }.map { TerminalText.safe($0, limit: 80) }
            return .failed(
                .caa, subject, named.isEmpty ? "\(place) let nobody issue" : "\(place) name \(Wording.list(named)), not \(issuer)",
                hint: "add: \(record)")
        case .otherAccount: return .failed(.caa, subject, "\(place) name another account", hint: "it should be: \(record)")
        case .otherMethods(let methods):
            return .failed(
                .caa, subject,
                "\(place) allow validation by \(TerminalText.safe(methods, limit: 100)) only, not by \(Wording.list(name.methods))",
                hint: "it should be: \(record)")
        case .critical(let tag):
            return .failed(
                .caa, subject, "\(place) have a critical property \(TerminalText.safe(tag, limit: 40)), which CAs may not know", hint: nil)
        }
    }

    /// What the record should be, as a zone file has it (RFC 8657).
    static func record(_ domain: DomainName, isWildcard: Bool, issuer: String, account: String, methods: [String]) -> String {
        let parameters =
            (account.isEmpty ? "" : "; accounturi=\(account)")
            + (methods.isEmpty ? "" : "; validationmethods=\(methods.joined(separator: ","))")
        return "\(domain). IN CAA 0 \(isWildcard ? "issuewild" : "issue") \"\(issuer)\(parameters)\""
    }

    /// Whether the name's server serves the stored certificate.
    private func served(_ name: Name) async -> Diagnosis {
        let subject = name.identifier.value, certificate = name.certificate
        let host = name.identifier.isWildcard ? nil : subject
        guard let address = connect ?? host.map({ ServerAddress(host: $0, port: 443) }) else {
            return .unknown(.served, subject, "a wildcard has no server of its own", hint: "--connect HOST:PORT looks at one")
        }
        let answer: ServedCertificate
        do {
            answer = try await Self.bounded { try await ServedCertificate.fetch(from: address, startTLS: nil, for: name.identifier) }
        } catch { return .unknown(.served, subject, "\(address) did not answer") }
        switch answer {
        case .certificate(let der) where der == certificate.chain.leafDER: return .ok(.served, subject, "\(address) serves it")
        case .certificate(let der):
            let serial = (try? CertificateChain(der: [der])).map { "serial number \(Hexadecimal.encode($0.serialNumber))" } ?? "unreadable"
            return .failed(
                .served, subject,
                "\(address) serves another certificate (\(serial)) than the one in the store (\(certificate.metadata.serial))",
                hint: "reload the server; a deploy hook does so after each renewal (acme-agent deploy SERVER \(certificate.name))")
        case .unfinished(let reason):
            return .failed(
                .served, subject, "\(address) cannot complete a handshake: \(TerminalText.safe(reason, limit: 200))",
                hint: "acme-agent deploy SERVER \(certificate.name) --check says why")
        case .refused(let reason): return .unknown(.served, subject, "\(address): \(TerminalText.safe(reason, limit: 200))")
        case .noProgram: return .unknown(.served, subject, "openssl is not installed, which looks at it")
        }
    }
}
