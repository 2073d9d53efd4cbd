import ACME
import ConfigurationFile
import Issuance

/// How the challenges of some names are answered: a `[[challenge]]` of the configuration.
struct ChallengeRule: Sendable, Equatable {
    static let settings = ["names"] + ChallengeTexts.settings + ["dns-wait-seconds", "dns-challenge"]

    var names: [IdentifierPattern]
    var methods: [ChallengeMethod]
    /// As in `CertificateSettings`.
    var dnsWait: Int?
    var dnsChallenge: ChallengeType?

    /// - Throws: `ConfigurationError` with file and line.
    init(_ table: ConfigurationTable) throws(ConfigurationError) {
        try table.finish(known: ChallengeRule.settings)
        guard let texts = try table.strings("names"), !texts.isEmpty else {
            throw table.error("names", "is missing: it lists the names that this part is for", hint: "names = [\"*.example.org\"]")
        }
        names = []
        for text in texts {
            do { names.append(try IdentifierPattern(text)) } catch { throw table.error("names", "is refused: \(error)") }
        }
        guard let methods = try ChallengeTexts.methods(table) else {
            throw table.error(
                "names", "has no way to answer challenges", hint: "add one of \(ChallengeTexts.ways.joined(separator: ", "))")
        }
        self.methods = methods
        dnsWait = try table.integer("dns-wait-seconds", in: CertificateSettings.dnsWaitRange)
        dnsChallenge = try table.dnsChallenge()
    }

    func covers(_ identifier: Identifier) -> Bool { names.contains { $0.covers(identifier) } }
}

extension ChallengeTexts {
    /// The methods of a part of the configuration.
    static func methods(_ table: ConfigurationTable) throws(ConfigurationError) -> [ChallengeMethod]? {
        let texts = try ChallengeTexts(table)
        do throws(Failure) { return try texts.methods() } catch {
            let line = settings.compactMap { table.line(of: $0) }.max()
            throw ConfigurationError(file: table.file, line: line, message: error.message, hint: error.hint)
        }
    }
}

extension ChallengeRule {
    /// With the wait and the kind of DNS challenge that a certificate's own settings have, if they have any.
    func under(_ own: CertificateSettings) -> ChallengeRule {
        var rule = self
        if let wait = own.dnsWait { rule.dnsWait = wait }
        if let challenge = own.dnsChallenge { rule.dnsChallenge = challenge }
        return rule
    }
}

extension CertificateSettings {
    /// The solvers for an order, in order of preference. A name has those of the first rule that covers it.
    /// - Parameter account: the account's URL at the CA; `nil` if there is no order.
    func solvers(for account: ACMEURL?, observer: @escaping IssuanceObserver = { _ in }) -> [any ChallengeSolver] {
        let wait = dnsWait, sites = ChallengeMethod.Sites(observer: observer)
        func challenge(_ type: ChallengeType?) -> DNSChallenge {
            guard type ?? dnsChallenge == .dnsAccount01, let account else { return .dns01 }
            return .dnsAccount01(AccountLabel(account))
        }
        if let challenges { return challenges.map { $0.solver(challenge(nil), dnsWait: wait, sites: sites, observer: observer) } }
        var solvers: [any ChallengeSolver] = []
        for (index, rule) in challengeRules.enumerated() {
            let earlier = challengeRules[..<index]
            solvers += rule.methods.map { method in
                ScopedSolver(method.solver(challenge(rule.dnsChallenge), dnsWait: rule.dnsWait ?? wait, sites: sites, observer: observer)) {
                    name in
                    rule.covers(name) && !earlier.contains { $0.covers(name) }
                }
            }
        }
        let rules = challengeRules, others = generalChallenges ?? [.standard]
        return solvers
            + others.map { method in
                let solver = method.solver(challenge(nil), dnsWait: wait, sites: sites, observer: observer)
                return rules.isEmpty ? solver : ScopedSolver(solver) { name in !rules.contains { $0.covers(name) } }
            }
    }

    /// The ways that may be used for a name, as `solvers(for:)` chooses them.
    func methods(for name: Identifier) -> [ChallengeMethod] {
        challenges ?? challengeRules.first(where: { $0.covers(name) })?.methods ?? generalChallenges ?? [.standard]
    }

    /// Every way that may be used for some name.
    private var allChallenges: [ChallengeMethod] {
        challenges ?? challengeRules.flatMap(\.methods) + (generalChallenges ?? [.standard])
    }

    /// Whether a record's name may depend on the account.
    var usesAccountLabel: Bool { dnsChallenge == .dnsAccount01 || challengeRules.contains { $0.dnsChallenge == .dnsAccount01 } }

    /// Whether dns-01 may be used, so that there is something to wait for.
    var canWaitForDNS: Bool { allChallenges.contains { $0.canWait } }

    /// Whether an order for these names may listen on an address, which only one can at a time.
    func hasListener(for names: [Identifier]) -> Bool {
        if let challenges { return challenges.contains { $0.isListener } }
        return names.contains { name in
            let methods = challengeRules.first { $0.covers(name) }?.methods ?? generalChallenges ?? [.standard]
            return methods.contains { $0.isListener }
        }
    }
}
