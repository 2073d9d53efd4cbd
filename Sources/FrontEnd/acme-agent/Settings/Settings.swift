import ACME
import ACMEClient
import AgentClient
import CertificateStore
import ConfigurationFile
import DurableFile
import Glibc
import JOSE

/// A command's settings, from the command line, the environment, the configuration and the defaults, in this order.
struct Settings: Sendable {
    static let defaultFile = "/etc/acme-agent/acme-agent.toml"
    /// The daemon's default for the audit trail.
    static let defaultAuditFile = "/var/lib/acme-agentd/audit/audit.jsonl"
    static let defaultRootDeployDirectory = "/var/lib/acme-agent-deploy"
    static let defaultKeyType = KeyAlgorithm.p256

    /// The file that was read, if any.
    var file: String?
    var socket: String
    /// The CA for new certificates, if a certificate's own settings name no other.
    private(set) var ca: ResolvedCA
    var directory: ACMEURL { ca.directory }
    /// Whether the command line names the CA; it then applies to certificates of other CAs too.
    var isDirectoryGiven: Bool
    /// Whether the command line or the environment names the CA; it then comes before a certificate's own setting.
    let isCAChosen: Bool
    /// The CAs that have names.
    let cas: NamedCAs
    let secondCA: ResolvedCA?
    var stateDirectory: String
    /// Whether the command line names it: it may be mistyped. A configured one is created by the first command that
    /// needs it.
    var isStateDirectoryNamed: Bool
    var auditFile: String
    /// The group of new key files, or why it cannot be used; `nil` for the process's.
    var keyFileGroup: Result<UInt32, ConfigurationError>?
    private var configuredProxy: ProxyChoice?
    private var environmentProxy: Environment.Variable?
    private var proxyExceptions: String?
    /// The user's locale, from the environment.
    var locale: String?
    /// The configuration's general settings for CAs.
    private var configuredCA: CASettings
    /// The configuration's general `directory`.
    var generalDirectory: ACMEURL? { configuredCA.directory }
    /// `--ca-certificate`
    private var givenCACertificate: String?
    /// For all certificates; the command line overrides it.
    var certificate: CertificateSettings
    private var challengeRules: [ChallengeRule]
    let checksRevocationLists: Bool
    /// For single certificates, by name.
    var certificates: [String: CertificateSettings]
    /// Where root's copies of certificates are.
    let rootDeployDirectory: String
    /// The PEM file with the roots of CAs for root's deploy hooks; `nil` for the system's.
    let rootDeployTrust: String?
    private let rootDeployHooks: [String]
    private let ownRootDeployHooks: [String: [String]]
    private let rootFailureHook: String?
    private let ownRootFailureHooks: [String: String]
    /// The certificates that should exist.
    let declared: [DeclaredCertificate]

    /// - Throws: `Failure`, `ConfigurationError`.
    init(_ options: GlobalOptions, environment: Environment) throws {
        var path = options.config ?? environment.configuration
        // A named file must exist; the default one may be missing.
        if path == nil, access(Settings.defaultFile, F_OK) == 0 { path = Settings.defaultFile }
        let configured = try path.map { path throws in try SettingsFile.load(path) } ?? SettingsFile()
        try self.init(options, environment: environment, configured: configured, file: path)
    }

    init(_ options: GlobalOptions, environment: Environment, configured: SettingsFile, file: String?) throws {
        self.file = file
        socket = options.socket ?? environment.socket ?? configured.socket ?? AgentClient.defaultSocket
        ca = try Settings.ca(options, environment, configured)
        isDirectoryGiven = options.ca != nil || options.directory != nil || options.staging
        isCAChosen = isDirectoryGiven || environment.ca != nil || environment.directory != nil
        cas = configured.cas
        secondCA = configured.secondCA
        configuredCA = configured.ca
        givenCACertificate = options.caCertificate
        guard let state = options.stateDirectory ?? configured.stateDirectory ?? environment.stateDirectory else {
            throw Failure.configuration("there is no state directory: HOME is not set", hint: "--state-directory FOLDER")
        }
        stateDirectory = state
        isStateDirectoryNamed = options.stateDirectory != nil
        auditFile = configured.auditFile ?? Settings.defaultAuditFile
        keyFileGroup = configured.keyFileGroup
        configuredProxy = configured.proxy
        environmentProxy = environment.proxy
        proxyExceptions = environment.proxyExceptions
        locale = environment.locale
        certificate = configured.certificate
        challengeRules = configured.challengeRules
        certificates = configured.certificates
        declared = configured.declared
        checksRevocationLists = configured.checksRevocationLists ?? true
        rootDeployDirectory = configured.rootDeployDirectory ?? Settings.defaultRootDeployDirectory
        rootDeployHooks = configured.rootDeployHooks ?? []
        ownRootDeployHooks = configured.ownRootDeployHooks
        rootDeployTrust = configured.rootDeployTrust
        rootFailureHook = configured.rootFailureHook
        ownRootFailureHooks = configured.ownRootFailureHooks
        ca = resolved(ca)
    }

    /// Refuses to write key files for a group that does not exist, before anything is ordered.
    func checkKeyFileGroup() throws(ConfigurationError) { _ = try keyFileGroup?.get() }

    /// Refuses a named state directory that does not exist: a mistyped one would look like an empty store.
    func checkStateDirectory(_ use: StateUse) throws(Failure) {
        guard use != .none else { return }
        var status = stat()
        let shown = TerminalText.safe(stateDirectory), hint = "--state-directory, or state-directory in the configuration, names the folder"
        guard stat(stateDirectory, &status) == 0 else {
            guard errno == ENOENT || errno == ENOTDIR else { return }
            guard use != .made, isStateDirectoryNamed else { return }
            throw .configuration(
                "the state directory \"\(shown)\" does not exist", hint: "\(hint); `acme-agent account register` creates it")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .configuration("the state directory \"\(shown)\" is not a folder", hint: hint)
        }
    }

    /// The proxy for a CA; `nil` for a direct connection. The file's setting overrides the environment variable, which
    /// is for all programs.
    /// - Throws: `Failure` for a variable that is not a proxy.
    func proxy(for directory: ACMEURL) throws(Failure) -> Proxy? { try proxy(for: directory.origin) }

    func proxy(for origin: Origin) throws(Failure) -> Proxy? {
        var settings = ProxySettings(exceptions: proxyExceptions)
        switch configuredProxy {
        case .direct?: return nil
        case .server(let proxy)?: settings.proxy = proxy
        case nil:
            guard let variable = environmentProxy else { return nil }
            do { settings.proxy = try Proxy(variable.value) } catch {
                throw .configuration("\(variable.name): \(error)", hint: "\(variable.name)=http://HOST:PORT, or proxy in the configuration")
            }
        }
        return settings.proxy(for: origin)
    }

    /// The configuration's settings for a CA: those of its `[[ca]]`, else the general ones if they are not for another
    /// server.
    func ca(at directory: ACMEURL) -> CASettings {
        // A public CA without a `[[ca]]` has no settings of its own.
        if let own = cas.at(directory)?.settings, own.directory != nil { return own }
        if let base = cas.all.first(where: { $0.staging == directory && $0.settings.directory != nil }) {
            // The staging environment has other accounts and credentials.
            var own = CASettings()
            own.caCertificate = base.settings.caCertificate
            own.contact = base.settings.contact
            return own
        }
        guard let own = configuredCA.directory else { return configuredCA }
        return own.origin == directory.origin ? configuredCA : CASettings()
    }

    /// The root certificates for the CA's own HTTPS certificate.
    /// - Parameter remembered: those with which a certificate was ordered; they apply only to their own CA.
    func trustRoots(for directory: ACMEURL, remembered: CertificateSettings.CACertificate? = nil) -> TrustRoots {
        let own = remembered.flatMap { $0.directory.origin == directory.origin ? $0.file : nil }
        return (givenCACertificate ?? own ?? ca(at: directory).caCertificate).map { .file($0) } ?? .system
    }

    /// How a certificate is ordered: the command line overrides the configuration's part for this name, which overrides
    /// the remembered options, which override the configuration's general part.
    func certificate(named name: String, given: CertificateSettings, remembered: CertificateSettings) -> CertificateSettings {
        var settings = given.over(ownSettings(name)).over(remembered)
        // The rules come before the general part.
        let isChosen = settings.challenges != nil
        settings = settings.over(certificate)
        if !isChosen {
            settings.challenges = nil
            // What was said of this certificate alone counts more than what was said of many names.
            let own = given.over(ownSettings(name)).over(remembered)
            settings.challengeRules = challengeRules.map { $0.under(own) }
            settings.generalChallenges = certificate.challenges
        }
        return settings
    }

    /// The programs that root runs for a new certificate.
    func rootDeployHooks(of name: CertificateName) -> [String] { ownRootDeployHooks(of: name) ?? rootDeployHooks }

    /// Those that the configuration has for this certificate alone; `nil` if the general ones count.
    func ownRootDeployHooks(of name: CertificateName) -> [String]? {
        name.spellings.compactMap { ownRootDeployHooks[$0.rawValue] }.first
    }

    /// The program that root runs if a certificate cannot be deployed.
    func rootFailureHook(of name: CertificateName) -> String? {
        name.spellings.compactMap { ownRootFailureHooks[$0.rawValue] }.first ?? rootFailureHook
    }

    /// Whether root runs programs for any certificate.
    var hasRootDeployHooks: Bool { !rootDeployHooks.isEmpty || !ownRootDeployHooks.isEmpty }

    /// The configuration's part for a certificate; empty if there is none.
    func ownSettings(_ name: String) -> CertificateSettings {
        // A wildcard certificate of an earlier version has another name.
        let spellings = (try? CertificateName(name))?.spellings.map(\.rawValue) ?? [name]
        return spellings.compactMap { certificates[$0] }.first ?? CertificateSettings()
    }
}
