import ConfigurationFile
import Crypto
import DurableFile
import Glibc
import JOSE
import NIOCore
import SigningPolicy

/// An entry of the configuration that is off until what it names exists. The others are in force.
struct OffEntry: Hashable, Sendable, CustomStringConvertible {
    /// `grant "web"`
    var entry: String
    /// Line number, from 1.
    var line: Int?
    /// What is missing, with the setting: `"users" names a user that does not exist: "alice"`.
    var message: String
    /// Of a grant: its name, and those of its peers that were found.
    var grant: String?
    var peers: [PeerPattern] = []
    /// The users and groups that the entry names, found or not.
    var names: [Lookup] = []

    var description: String { "\(entry)\(line.map { " (line \($0))" } ?? "") is off: \(message)" }
}

/// A configuration with the users, groups and secrets that were found for it. Never changed, only replaced.
///
/// The text of the file is accepted as a whole or not at all: an unknown setting, a pattern that means nothing, or
/// two entries with one name is an error. Things outside the file may be missing. The entry that names one is then
/// off, and grants nothing, until it is found.
struct LoadedConfiguration: Sendable {
    let configuration: AgentConfiguration
    /// SHA-256 of the file's bytes, lower-case hex.
    let digest: String
    /// When the file was read: milliseconds since 1970-01-01T00:00:00Z.
    let loaded: Int64
    let rules: Rules
    /// The groups of sockets that are configured and were found, by the sockets' paths.
    let socketGroups: [String: UInt32]
    let off: [OffEntry]
    /// Grants that are valid as text, but give nothing or less than they seem to.
    let warnings: [GrantWarning]
    private let answers: [Lookup: LookupAnswer]

    /// Reads a file and looks up what it names.
    /// - Parameter patience: Seconds that all lookups together may take; an entry without an answer by then is off.
    /// - Throws: `ConfigurationError` with file and line.
    static func read(_ path: String, desk: LookupDesk, patience: Double) throws(ConfigurationError) -> LoadedConfiguration {
        let time = LoadedConfiguration.now()
        let bytes = try AgentConfiguration.bytes(ofProtectedFile: path)
        let configuration = try AgentConfiguration(ConfigurationFile.parse(bytes, file: path))
        let digest = Hexadecimal.encode(Array(SHA256.hash(data: bytes)))
        // Before a directory service is asked: an invalid text is an error at once.
        let draft = try LoadedConfiguration(configuration, digest: digest, loaded: time, answers: [:])
        let answers = desk.answers(to: Set(draft.open), within: patience)
        return try LoadedConfiguration(configuration, digest: digest, loaded: time, answers: answers)
    }

    init(
        _ configuration: AgentConfiguration, digest: String, loaded: Int64, answers: [Lookup: LookupAnswer]
    ) throws(ConfigurationError) {
        self.configuration = configuration
        self.digest = digest
        self.loaded = loaded
        self.answers = answers
        var off: [OffEntry] = []
        let policy = try Policy(configuration.grants, answers: answers, off: &off)
        var accounts: [String: LoadedExternalAccount] = [:]
        for setting in configuration.externalAccounts {
            switch answers[.account(setting)] ?? .pending {
            case .account(let account): accounts[setting.name] = account
            case .nothing(let message):
                off.append(
                    OffEntry(
                        entry: "external account \"\(setting.name)\"", line: setting.line,
                        message: "\"hmac-key-file\" \(message)"))
            case .number: break
            }
        }
        rules = Rules(
            policy: policy, externalAccounts: accounts,
            limits: Rules.Limits(
                connectionsPerUser: configuration.connectionsPerUser, connections: configuration.connections,
                verification: configuration.verification, signingDeadline: .seconds(Int64(configuration.signingDeadline))))
        var socketGroups: [String: UInt32] = [:]
        for listener in configuration.listeners {
            guard let name = listener.group else { continue }
            switch PeerName(name) {
            case .number(let number): socketGroups[listener.path] = number
            case .name(let name):
                switch answers[.group(name)] ?? .pending {
                case .number(let number): socketGroups[listener.path] = number
                case .nothing(let message): off.append(listener.offGroup(message, .group(name)))
                case .account: break
                }
            }
        }
        self.socketGroups = socketGroups
        self.off = off
        warnings = GrantWarning.all(configuration.grants)
    }

    /// The same configuration with one more answer.
    func answered(_ lookup: Lookup, _ answer: LookupAnswer) throws(ConfigurationError) -> LoadedConfiguration {
        var answers = self.answers
        answers[lookup] = answer
        return try LoadedConfiguration(configuration, digest: digest, loaded: loaded, answers: answers)
    }

    /// What is still to be looked up.
    var open: [Lookup] {
        lookups.filter { lookup in
            switch answers[lookup] {
            case nil, .nothing: true
            case .number, .account: false
            }
        }
    }

    private var lookups: Set<Lookup> {
        var lookups: Set<Lookup> = []
        for grant in configuration.grants {
            for case .name(let name) in grant.users.map({ PeerName($0) }) { lookups.insert(.user(name)) }
            for case .name(let name) in grant.groups.map({ PeerName($0) }) { lookups.insert(.group(name)) }
        }
        for setting in configuration.externalAccounts { lookups.insert(.account(setting)) }
        for listener in configuration.listeners {
            if let group = listener.group, case .name(let name) = PeerName(group) { lookups.insert(.group(name)) }
        }
        return lookups
    }

    /// The users and groups that an entry names, with the number found for each, as text: an auditor must know whom
    /// a grant was for.
    func numbers(of entry: OffEntry) -> [String] {
        entry.names.compactMap { lookup in
            guard case .number(let number) = answers[lookup] else { return nil }
            switch lookup {
            case .user(let name): return "user \"\(name)\" is uid \(number)"
            case .group(let name): return "group \"\(name)\" is gid \(number)"
            case .account: return nil
            }
        }
    }

    /// The number of a user or group, as written in the configuration or as it was found.
    func number(of lookup: Lookup, _ text: String) -> UInt32? {
        if case .number(let number) = PeerName(text) { return number }
        guard case .number(let number) = answers[lookup] else { return nil }
        return number
    }

    private static func now() -> Int64 {
        var moment = timespec()
        clock_gettime(CLOCK_REALTIME, &moment)
        return Int64(moment.tv_sec) &* 1_000 &+ Int64(moment.tv_nsec) / 1_000_000
    }
}

/// A user or group as written in the configuration.
enum PeerName: Hashable {
    /// Digits only: needs no lookup, and means nobody else whatever a directory says.
    case number(UInt32)
    case name(String)

    init(_ text: String) {
        if text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = UInt32(text) {
            self = .number(number)
        } else {
            self = .name(text)
        }
    }
}
