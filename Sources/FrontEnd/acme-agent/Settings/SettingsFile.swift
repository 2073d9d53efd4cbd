import ACME
import ACMEClient
import ConfigurationFile
import Glibc
import JOSE

/// The settings in `acme-agent.toml`; Config/acme-agent.toml explains each.
struct SettingsFile: Sendable {
    var socket: String?
    var stateDirectory: String?
    var auditFile: String?
    /// Where root's own copies of certificates are, for `rootDeployHooks`.
    var rootDeployDirectory: String?
    /// The roots of the CAs whose certificates root deploys without a `[[certificate]]` of their own.
    var rootDeployTrust: String?
    /// Programs that root runs for new certificates, in their order. Never remembered, never an option.
    var rootDeployHooks: [String]?
    /// By the certificate's name.
    var ownRootDeployHooks: [String: [String]] = [:]
    /// The program that root runs if one of them fails. Never remembered, never an option.
    var rootFailureHook: String?
    var ownRootFailureHooks: [String: String] = [:]
    /// The group's number; or why it cannot be used, which concerns only commands that write key files.
    var keyFileGroup: Result<UInt32, ConfigurationError>?
    var proxy: ProxyChoice?
    /// The general ones.
    var ca = CASettings()
    var cas = NamedCAs()
    var defaultCA: ResolvedCA?
    var secondCA: ResolvedCA?
    var checksRevocationLists: Bool?
    var certificate = CertificateSettings()
    /// In their order.
    var challengeRules: [ChallengeRule] = []
    /// By the certificate's name.
    var certificates: [String: CertificateSettings] = [:]
    /// Those that list their names, in their order.
    var declared: [DeclaredCertificate] = []

    static let certificateSettings =
        ChallengeTexts.settings + [
            "dns-wait-seconds", "dns-challenge", "deploy-hook", "failure-hook", "key-type", "old-key-grace-seconds", "profile",
            "preferred-chain",
        ]
    static let rootDeployHook = "root-deploy-hook"
    static let rootFailureHook = "root-failure-hook"
    static let rootHooks = [rootDeployHook, rootFailureHook]
    static let settings =
        [
            "socket", "state-directory", "audit-file", "key-file-group", "proxy", "certificate", "root-deploy-directory", rootDeployHook,
            rootFailureHook, "root-deploy-trust", "challenge", "ca", "default-ca", "second-ca", "check-revocation-lists",
        ]
        + CASettings.settings + certificateSettings

    init() {}

    /// - Throws: `ConfigurationError` with file and line.
    init(_ table: ConfigurationTable) throws(ConfigurationError) {
        try table.finish(known: SettingsFile.settings)
        socket = try table.path("socket")
        stateDirectory = try table.path("state-directory")
        auditFile = try table.path("audit-file")
        rootDeployDirectory = try table.path("root-deploy-directory")
        rootDeployTrust = try table.path("root-deploy-trust")
        rootDeployHooks = try table.paths(SettingsFile.rootDeployHook)
        rootFailureHook = try table.path(SettingsFile.rootFailureHook)
        keyFileGroup = try table.name("key-file-group").map { SettingsFile.keyFileGroup($0, table) }
        proxy = try table.parsed("proxy") { try ProxyChoice($0) }
        ca = try CASettings(table)
        cas = try NamedCAs(table.tables("ca"), general: ca)
        defaultCA = try cas.reference("default-ca", in: table)
        if defaultCA != nil, ca.directory != nil {
            throw table.error(
                "default-ca", "and \"directory\" both name the CA for new certificates", hint: "make the directory a [[ca]], or omit one")
        }
        secondCA = try cas.reference("second-ca", in: table)
        checksRevocationLists = try table.bool("check-revocation-lists")
        certificate = try CertificateSettings(table)
        for entry in try table.tables("challenge") { challengeRules.append(try ChallengeRule(entry)) }
        for entry in try table.tables("certificate") {
            try entry.finish(known: DeclaredCertificate.settings + SettingsFile.certificateSettings + SettingsFile.rootHooks)
            let names = try DeclaredCertificate.names(entry)
            let name = try DeclaredCertificate.name(entry, names: names)
            guard certificates[name] == nil else { throw entry.error("name", "occurs twice: \(TerminalText.safe(name, limit: 80))") }
            var settings = try CertificateSettings(entry)
            settings.ca = try cas.reference("ca", in: entry)?.name
            settings.secondCA = try cas.reference("second-ca", in: entry)?.name
            settings.mustStaple = try entry.bool("must-staple")
            certificates[name] = settings
            ownRootDeployHooks[name] = try entry.paths(SettingsFile.rootDeployHook)
            ownRootFailureHooks[name] = try entry.path(SettingsFile.rootFailureHook)
            if let names { declared.append(try DeclaredCertificate(name, names, settings, entry)) }
        }
    }

    private static func keyFileGroup(_ group: String, _ table: ConfigurationTable) -> Result<UInt32, ConfigurationError> {
        let shown = TerminalText.safe(group, limit: 80)
        // A number need not be a group's.
        guard let number = UInt32(group) ?? getgrnam(group)?.pointee.gr_gid, number != .max else {
            return .failure(
                table.error(
                    "key-file-group", "names a group that does not exist: \"\(shown)\"; nothing was ordered",
                    hint: "make the group, or name the one of the server that reads the key files; without the setting they get yours"))
        }
        guard geteuid() == 0 || SettingsFile.isOwn(number) else {
            return .failure(
                table.error(
                    "key-file-group", "is a group that this user is not in: \"\(shown)\"; nothing was ordered",
                    hint: "only root can give a file to any group"))
        }
        return .success(number)
    }

    /// Whether the process has a group.
    private static func isOwn(_ group: UInt32) -> Bool {
        if group == getegid() { return true }
        var groups = [gid_t](repeating: 0, count: max(0, Int(getgroups(0, nil))))
        let count = getgroups(Int32(groups.count), &groups)
        return groups.prefix(max(0, Int(count))).contains(group)
    }

    static func load(_ path: String) throws(ConfigurationError) -> SettingsFile { try SettingsFile(ConfigurationFile.load(path)) }
}

/// The file's proxy setting.
enum ProxyChoice: Sendable, Equatable {
    /// None, even if the environment has one.
    case direct
    case server(Proxy)

    init(_ text: String) throws(ProxyError) { self = text == "none" ? .direct : .server(try Proxy(text)) }
}

/// The settings for one CA. The general ones are for the server of the file's `directory`, or for every CA without its
/// own if the file names none.
struct CASettings: Sendable {
    static let settings = ["directory", "ca-certificate", "account-key", "external-account", "contact"]

    var directory: ACMEURL?
    var caCertificate: String?
    var accountKey: KeyName?
    var externalAccount: KeyName?
    var contact: [Contact]?

    init() {}

    init(_ table: ConfigurationTable) throws(ConfigurationError) {
        directory = try table.parsed("directory") { try ACMEURL($0) }
        caCertificate = try table.path("ca-certificate")
        accountKey = try table.parsed("account-key") { try KeyName($0) }
        externalAccount = try table.parsed("external-account") { try KeyName($0) }
        if let texts = try table.strings("contact") {
            var contacts: [Contact] = []
            for text in texts {
                do { contacts.append(try Contact(argument: text)) } catch { throw table.error("contact", "is refused: \(error)") }
            }
            contact = contacts
        }
    }
}

/// How certificates, or a single one, are ordered.
struct CertificateSettings: Sendable, Equatable {
    /// In order of preference, at most one of each kind. They answer for every name.
    var challenges: [ChallengeMethod]?
    /// Where `challenges` is not set: for the names that they cover.
    var challengeRules: [ChallengeRule] = []
    /// Where `challenges` is not set: for the other names.
    var generalChallenges: [ChallengeMethod]?
    /// Seconds to wait after the DNS hook before telling the CA, or at most for the servers of an updated zone.
    var dnsWait: Int?
    static let defaultDNSWait = 0
    /// dns-01 or dns-account-01.
    var dnsChallenge: ChallengeType?
    static let dnsChallenges: [ChallengeType] = [.dns01, .dnsAccount01]
    static let dnsChallengeChoices = dnsChallenges.map(\.rawValue).joined(separator: " or ")
    /// An hour is longer than any provider takes.
    static let dnsWaitRange = 0...3600
    /// In the order in which they run.
    var deployHooks: [String]?
    var failureHook: String?
    var keyType: KeyAlgorithm?
    /// Seconds for which a replaced key stays active after the deploy hook.
    var oldKeyGrace: Int?
    static let defaultOldKeyGrace = 3600
    /// Thirty days: as long as an old certificate may still be served.
    static let oldKeyGraceRange = 0...2_592_000
    var profile: String?
    var preferredChain: String?
    /// Names of CAs; only from the configuration.
    var ca: String?
    var secondCA: String?
    /// Not from the configuration's general part.
    var mustStaple: Bool?
    /// Only from the command line.
    var caCertificate: CACertificate?

    /// The root certificates for one CA's own HTTPS.
    struct CACertificate: Sendable, Equatable {
        /// The CA for which they were given; no other one is trusted because of them.
        var directory: ACMEURL
        /// An absolute path.
        var file: String
    }

    init() {}

    init(_ table: ConfigurationTable) throws(ConfigurationError) {
        challenges = try ChallengeTexts.methods(table)
        dnsWait = try table.integer("dns-wait-seconds", in: CertificateSettings.dnsWaitRange)
        dnsChallenge = try table.dnsChallenge()
        deployHooks = try table.paths("deploy-hook")
        failureHook = try table.path("failure-hook")
        keyType = try table.parsed("key-type") { try KeyAlgorithm(argument: $0) }
        oldKeyGrace = try table.integer("old-key-grace-seconds", in: CertificateSettings.oldKeyGraceRange)
        profile = try table.string("profile")
        preferredChain = try table.string("preferred-chain")
    }

    /// These settings, with missing ones taken from `other`.
    func over(_ other: CertificateSettings) -> CertificateSettings {
        var result = self
        result.challenges = challenges ?? other.challenges
        result.dnsWait = dnsWait ?? other.dnsWait
        result.dnsChallenge = dnsChallenge ?? other.dnsChallenge
        result.deployHooks = deployHooks ?? other.deployHooks
        result.failureHook = failureHook ?? other.failureHook
        result.keyType = keyType ?? other.keyType
        result.oldKeyGrace = oldKeyGrace ?? other.oldKeyGrace
        result.profile = profile ?? other.profile
        result.preferredChain = preferredChain ?? other.preferredChain
        result.ca = ca ?? other.ca
        result.secondCA = secondCA ?? other.secondCA
        result.mustStaple = mustStaple ?? other.mustStaple
        result.caCertificate = caCertificate ?? other.caCertificate
        return result
    }
}

extension ChallengeTexts {
    /// Each answers challenges.
    static let ways = ["http01-address", "webroot", "tls-alpn01-address", "dns-hook", "dns-update", "dns-persist"]
    static let settings = ways + ["dns-cleanup-hook", "hook-protocol", "dns-key", "dns-resolver"]

    init(_ table: ConfigurationTable) throws(ConfigurationError) {
        http01Address = try table.oneOrMore("http01-address")
        webroot = try table.path("webroot")
        tlsALPN01Address = try table.oneOrMore("tls-alpn01-address")
        dnsHook = try table.path("dns-hook")
        dnsUpdate = try table.string("dns-update")
        dnsKey = try table.path("dns-key")
        dnsResolver = try table.string("dns-resolver")
        dnsPersist = try table.bool("dns-persist") ?? false
        dnsCleanupHook = try table.path("dns-cleanup-hook")
        hookProtocol = try table.string("hook-protocol")
    }
}

extension ConfigurationTable {
    func dnsChallenge() throws(ConfigurationError) -> ChallengeType? {
        guard let text = try string("dns-challenge") else { return nil }
        guard let type = ChallengeType(rawValue: text), CertificateSettings.dnsChallenges.contains(type) else {
            throw error("dns-challenge", "must be \(CertificateSettings.dnsChallengeChoices)")
        }
        return type
    }

    /// A string, or an array of strings.
    fileprivate func oneOrMore(_ key: String) throws(ConfigurationError) -> [String] {
        if let text = try? string(key) { return [text] }
        return try strings(key) ?? []
    }

    /// One absolute path, or an array of them, each once; `nil` if there are none.
    fileprivate func paths(_ key: String) throws(ConfigurationError) -> [String]? {
        var paths: [String] = []
        for path in try oneOrMore(key) {
            guard path.hasPrefix("/") else { throw error(key, "must be an absolute path") }
            guard !path.utf8.contains(0) else { throw error(key, "contains a NUL") }
            guard !paths.contains(path) else { throw error(key, "has \"\(TerminalText.safe(path, limit: 200))\" twice") }
            paths.append(path)
        }
        return paths.isEmpty ? nil : paths
    }

    /// An absolute path: a relative one would depend on where the program is started.
    fileprivate func path(_ key: String) throws(ConfigurationError) -> String? {
        guard let path = try string(key) else { return nil }
        guard path.hasPrefix("/") else { throw error(key, "must be an absolute path") }
        guard !path.utf8.contains(0) else { throw error(key, "contains a NUL") }
        return path
    }

    func parsed<Value>(_ key: String, _ parse: (String) throws -> Value) throws(ConfigurationError) -> Value? {
        guard let text = try string(key) else { return nil }
        do { return try parse(text) } catch { throw self.error(key, "is refused: \(TerminalText.safe("\(error)", limit: 300))") }
    }
}
