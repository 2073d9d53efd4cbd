import ACME
import ConfigurationFile
import DurableFile
import Glibc
import SigningPolicy
import TokenProtocol

/// The daemon's configuration as it is in force: every default is set here and nowhere else.
public struct AgentConfiguration: Sendable {
    public static let defaultPath = "/etc/acme-agent/acme-agentd.toml"

    /// Which signatures are checked against the pinned public key before they are returned.
    public enum Verification: String, Sendable, CaseIterable {
        /// Every one.
        case all
        /// Only those of RSA and Ed25519 keys, where a faulty signature reveals the private key.
        case faultSensitive = "fault-sensitive"
    }

    /// A CA's external account credential (RFC 8555 §7.3.4).
    public struct ExternalAccountSetting: Sendable, Hashable {
        public var name: String
        public var directory: ACMEURL
        public var keyID: String
        public var hmacKeyFile: String
        /// Line of the file's name, for messages.
        var line: Int?
    }

    /// A grant as written in the file; users and groups are names or numbers.
    public struct GrantSetting: Sendable {
        public var name: String
        public var users: [String]
        public var groups: [String]
        public var keys: [String]
        public var operations: [String]
        public var identifiers: [String]
        public var wildcards: Bool
        public var cas: [String]
        /// Names of `[[external-account]]`s.
        public var externalAccounts: [String]
        public var rate: GrantRate?
        /// For messages.
        var table: ConfigurationTable
    }

    public var file: String
    /// The sockets, at least one.
    public var listeners: [ListenSetting]
    public var stateDirectory: String
    public var auditFile: String
    /// Path of `acme-agent-token`; `nil` means next to the daemon.
    public var helper: String?
    public var verification: Verification
    /// Connections one user may hold; the rest are closed at once.
    public var connectionsPerUser: Int
    /// Connections in all.
    public var connections: Int
    /// Memory for unfinished messages and unread replies, of one user and in all, in MiB.
    public var mebibytesPerUser: Int
    public var mebibytes: Int
    /// How long a signature may take, queue included.
    public var signingDeadline: Int
    public var tokens: [TokenConfiguration]
    public var externalAccounts: [ExternalAccountSetting]
    public var grants: [GrantSetting]
    /// For messages.
    private var table: ConfigurationTable

    /// An error at a setting; "file" is the one of [audit].
    func error(at key: String, _ message: String, hint: String?) -> ConfigurationError {
        let audit = (try? table.table("audit")) ?? nil
        if key == "file" { return audit?.error(key, message, hint: hint) ?? table.error("file of [audit]", message, hint: hint) }
        return table.error(key, message, hint: hint)
    }

    /// Reads a file.
    /// - Throws: `ConfigurationError` with file and line.
    public init(file path: String) throws(ConfigurationError) {
        try self.init(ConfigurationFile.load(path))
    }

    /// Reads the daemon's configuration file, which only root and the daemon's user may be able to change. The bytes
    /// that were checked are the bytes that are parsed.
    /// - Throws: `ConfigurationError` with file and line.
    static func bytes(ofProtectedFile path: String) throws(ConfigurationError) -> [UInt8] {
        do throws(OwnershipError) {
            return try ProtectedFile.read(path, as: .configuration, limit: ConfigurationFile.sizeLimit)
        } catch .system(let failure) where failure.isMissing {
            throw ConfigurationError(
                file: path, line: nil, message: "there is no such file",
                hint:
                    "write it after acme-agentd.toml in the documentation, an annotated example, and start the daemon then; --config FILE "
                    + "names another file")
        } catch .system(let failure) where failure.code == EACCES {
            throw ConfigurationError(
                file: path, line: nil, message: "cannot be read: \(failure.reason)", hint: "run it as root or as the agent's user")
        } catch {
            throw ConfigurationError(
                file: path, line: nil, message: error.path == path ? error.reason : error.description,
                hint: "the configuration decides who may use which key: it, its folders and the links to it must belong to root or the "
                    + "agent's user and be writable by nobody else")
        }
    }

    public init(_ table: ConfigurationTable) throws(ConfigurationError) {
        // First: a mistyped setting is reported, not the one that is missing because of it.
        try table.finish(known: [
            "socket", "socket-mode", "socket-group", "listen", "state-directory", "helper", "verify-signatures", "connections-per-user",
            "connections", "mebibytes-per-user", "mebibytes",
            "signing-deadline-seconds", "audit", "token", "external-account", "grant",
        ])
        self.table = table
        file = table.file
        listeners = try ListenSetting.all(table)
        stateDirectory = try table.absolutePath("state-directory") ?? "/var/lib/acme-agentd"
        helper = try table.absolutePath("helper")
        let verification = try table.string("verify-signatures") ?? Verification.all.rawValue
        guard let known = Verification(rawValue: verification) else {
            throw table.error("verify-signatures", "must be \"all\" or \"fault-sensitive\"")
        }
        self.verification = known
        connectionsPerUser = try table.integer("connections-per-user", in: 1...100_000) ?? 4_096
        connections = try table.integer("connections", in: 1...1_000_000) ?? 16_384
        mebibytesPerUser = try table.integer("mebibytes-per-user", in: 1...4_096) ?? 8
        mebibytes = try table.integer("mebibytes", in: 1...65_536) ?? 32
        signingDeadline = try table.integer("signing-deadline-seconds", in: 1...600) ?? 10

        let audit = try table.table("audit")
        try audit?.finish(known: ["file"])
        auditFile = try audit?.absolutePath("file") ?? stateDirectory + "/audit/audit.jsonl"

        tokens = []
        for token in try table.tables("token") {
            tokens.append(try TokenConfiguration(token, stateDirectory: stateDirectory))
            guard Set(tokens.map(\.name)).count == tokens.count else { throw token.error("name", "is used by another token") }
        }
        guard !tokens.isEmpty else {
            let example =
                AnnotatedExample.command(writing: table.file).map { "an annotated example, commented out: \($0)" }
                ?? "acme-agentd.toml in the documentation is an annotated example"
            throw table.error(
                nil, "no [[token]] is configured",
                hint: "write a [[token]] and a [[grant]] in that file (\(example)), check it with acme-agentd --check-config, and start "
                    + "the daemon then")
        }

        externalAccounts = []
        for account in try table.tables("external-account") {
            externalAccounts.append(try ExternalAccountSetting(account))
            guard Set(externalAccounts.map(\.name)).count == externalAccounts.count else {
                throw account.error("name", "is used by another external account")
            }
        }

        grants = []
        for grant in try table.tables("grant") {
            grants.append(try GrantSetting(grant))
            guard Set(grants.map(\.name)).count == grants.count else { throw grant.error("name", "is used by another grant") }
            for name in grants.last?.externalAccounts ?? []
            where !externalAccounts.contains(where: { $0.name.utf8.elementsEqual(name.utf8) }) {
                throw grant.error(
                    "external-accounts", "names an external account that is not configured: \"\(TerminalText.safe(name, limit: 64))\"",
                    hint: "each needs an [[external-account]] of that name")
            }
        }
    }
}

extension ConfigurationTable {
    /// A path from the root; a relative one would depend on where the daemon was started.
    func absolutePath(_ key: String) throws(ConfigurationError) -> String? {
        guard let path = try string(key) else { return nil }
        guard path.hasPrefix("/") else { throw error(key, "must be an absolute path") }
        // A zero byte would end the path for the system, which would then use a file other than the one named here.
        guard path.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            throw error(key, "contains a control character")
        }
        return path
    }
}

extension ConfigurationTable {
    /// Users or groups by name or number.
    fileprivate func peerNames(_ key: String) throws(ConfigurationError) -> [String] {
        let names = try names(key) ?? []
        for name in names {
            // A zero byte would end the name for the system: "root\u0000x" must not mean root.
            guard !name.isEmpty, name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
                throw error(key, "contains a name that is empty or has control characters")
            }
            let isNumber = name.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
            guard !isNumber || UInt32(name).map({ $0 < .max }) == true else {
                throw error(key, "contains a number that cannot be a uid or gid: \(name)")
            }
        }
        return names
    }
}

extension TokenConfiguration {
    fileprivate init(_ table: ConfigurationTable, stateDirectory: String) throws(ConfigurationError) {
        try table.finish(known: ["name", "module", "uri", "pin-source", "pool", "helper-mebibytes", "environment"])
        let name = try table.requiredString("name")
        do throws(KeyNameError) { _ = try KeyName(name) } catch {
            let lower = name.lowercased()
            throw table.error(
                "name", "is not a token's name: \"\(error.name)\": \(error.reason)",
                hint: (try? KeyName(lower)).map { "did you mean \"\($0)\"?" })
        }
        guard let module = try table.absolutePath("module") else { throw table.error(nil, "the setting \"module\" is missing") }
        let uri = try table.requiredString("uri")
        guard uri.hasPrefix("pkcs11:") else { throw table.error("uri", "must be a PKCS#11 URI (RFC 7512), e.g. \"pkcs11:token=acme\"") }
        let variables = try table.table("environment")
        let environment = try variables?.allStrings() ?? [:]
        for name in environment.keys.sorted() {
            guard let why = TokenConfiguration.refusal(ofVariable: name), let variables else { continue }
            throw variables.error(
                name, why,
                hint: "remove it; \"environment\" is for the module's own variables, such as SOFTHSM2_CONF, and \"module\" names its file")
        }
        self.init(
            name: name, module: module, uri: uri, pinSource: try table.absolutePath("pin-source"),
            pool: try table.integer("pool", in: 1...64) ?? TokenConfiguration.defaultPool,
            helperMebibytes: try table.integer("helper-mebibytes", in: TokenLimits.helperMebibytes) ?? 1024,
            stateDirectory: stateDirectory, environment: environment)
    }

    /// One signing session more than there are cores: the token's threads never wait for the daemon's.
    public static var defaultPool: Int { max(2, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) + 1) }
}

extension AgentConfiguration.ExternalAccountSetting {
    fileprivate init(_ table: ConfigurationTable) throws(ConfigurationError) {
        try table.finish(known: ["name", "directory", "key-id", "hmac-key-file"])
        name = try table.requiredString("name")
        let text = try table.requiredString("directory")
        do { directory = try ACMEURL(text) } catch { throw table.error("directory", "\(error)") }
        keyID = try table.requiredString("key-id")
        guard let path = try table.absolutePath("hmac-key-file") else { throw table.error(nil, "the setting \"hmac-key-file\" is missing") }
        hmacKeyFile = path
        line = table.line(of: "hmac-key-file")
    }
}

extension AgentConfiguration.GrantSetting {
    fileprivate init(_ table: ConfigurationTable) throws(ConfigurationError) {
        try table.finish(known: [
            "name", "users", "groups", "keys", "operations", "identifiers", "wildcards", "cas", "external-accounts", "rate",
        ])
        self.table = table
        name = try table.requiredString("name")
        users = try table.peerNames("users")
        groups = try table.peerNames("groups")
        guard !users.isEmpty || !groups.isEmpty else { throw table.error(nil, "the grant names neither users nor groups") }
        keys = try table.strings("keys") ?? []
        operations = try table.strings("operations") ?? []
        guard !operations.isEmpty else { throw table.error(nil, "the grant names no operations") }
        identifiers = try table.strings("identifiers") ?? []
        wildcards = try table.bool("wildcards") ?? false
        cas = try table.strings("cas") ?? []
        externalAccounts = try table.strings("external-accounts") ?? []
        if let rate = try table.table("rate") { self.rate = try GrantRate(rate) }
    }
}
