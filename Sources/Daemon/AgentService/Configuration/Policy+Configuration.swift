import ACME
import ConfigurationFile
import SigningPolicy

extension Policy {
    /// The policy that a configuration describes, with the grants whose users and groups were all found. If one of them
    /// is missing, the whole grant is off: what is left of it is not what was written.
    /// - Parameter off: Receives the grants that are off.
    /// - Throws: `ConfigurationError` with the grant's line: the text of every grant must be valid, even if the grant
    ///   is off.
    init(
        _ settings: [AgentConfiguration.GrantSetting], answers: [Lookup: LookupAnswer], off: inout [OffEntry]
    ) throws(ConfigurationError) {
        var grants: [Grant] = [], found: [Grant] = []
        for setting in settings {
            let grant = try Grant(setting)
            grants.append(grant)
            switch Grant.peers(of: setting, answers) {
            case .success(let peers):
                var whole = grant
                whole.peers = peers
                found.append(whole)
            case .failure(let entry): off.append(entry)
            }
        }
        do {
            _ = try Policy(grants: grants)
            try self.init(grants: found)
        } catch {
            throw ConfigurationError(file: settings.first?.table.file ?? "", line: nil, message: error.description)
        }
    }
}

extension OffEntry: Error {}

/// A grant that is valid as text, but gives nothing or less than it seems to.
struct GrantWarning: Hashable, Sendable, CustomStringConvertible {
    var grant: String
    /// From 1.
    var line: Int?
    var lack: GrantLack

    var description: String { "grant \"\(grant)\"\(line.map { " (line \($0))" } ?? "") \(lack)" }

    static func all(_ settings: [AgentConfiguration.GrantSetting]) -> [GrantWarning] {
        settings.flatMap { setting in
            ((try? Grant(setting))?.lacking ?? []).map {
                GrantWarning(grant: setting.name, line: setting.table.line(of: "operations"), lack: $0)
            }
        }
    }
}

extension Grant {
    /// Whom the grant is for, or everything that is missing.
    fileprivate static func peers(
        of setting: AgentConfiguration.GrantSetting, _ answers: [Lookup: LookupAnswer]
    ) -> Result<[PeerPattern], OffEntry> {
        var peers: [PeerPattern] = [], missing: [String] = [], lookups: [Lookup] = []
        var line: Int?
        for (key, names, lookup, pattern) in [
            ("users", setting.users, Lookup.user, PeerPattern.user), ("groups", setting.groups, Lookup.group, PeerPattern.group),
        ] {
            for name in names {
                switch PeerName(name) {
                case .number(let number): peers.append(pattern(number))
                case .name(let name):
                    lookups.append(lookup(name))
                    switch answers[lookup(name)] ?? .pending {
                    case .number(let number): peers.append(pattern(number))
                    case .nothing(let message):
                        missing.append("\"\(key)\" \(message)")
                        line = line ?? setting.table.line(of: key)
                    case .account: break
                    }
                }
            }
        }
        guard missing.isEmpty else {
            return .failure(
                OffEntry(
                    entry: "grant \"\(setting.name)\"", line: line, message: missing.joined(separator: "; "), grant: setting.name,
                    peers: peers, names: lookups))
        }
        return .success(peers)
    }

    /// For a URL, or a name with a port, in place of a name.
    private static func nameHint(_ text: String) -> String? {
        guard text.contains("/") || text.contains(":"), let host = Origin.meant(by: text)?.host else { return nil }
        return "an identifier is only the name: \"\(host)\""
    }

    /// Everything in the grant but its peers.
    init(_ setting: AgentConfiguration.GrantSetting) throws(ConfigurationError) {
        let table = setting.table
        func patterns<Pattern>(
            _ key: String, _ texts: [String], _ make: (String) throws(PatternError) -> Pattern
        ) throws(ConfigurationError) -> [Pattern] {
            var result: [Pattern] = []
            for text in texts {
                do { result.append(try make(text)) } catch {
                    throw table.error(key, "contains \(error.description)", hint: key == "identifiers" ? Grant.nameHint(text) : nil)
                }
            }
            return result
        }
        let operations: Set<Operation>
        do { operations = try OperationBundle.operations(named: setting.operations) } catch {
            throw table.error("operations", "contains \(error.description)")
        }
        if let (weaker, stronger) = operations.incomplete {
            throw table.error(
                "operations", "gives \"\(weaker.rawValue)\" without \"\(stronger.rawValue)\"",
                hint: "both sign the same payload, and only the caller's URL says which is meant: grant both or neither")
        }
        self.init(
            name: setting.name, peers: [],
            keys: try patterns("keys", setting.keys) { text throws(PatternError) in try KeyPattern(text) },
            operations: operations,
            identifiers: try patterns("identifiers", setting.identifiers) { text throws(PatternError) in try IdentifierPattern(text) },
            wildcards: setting.wildcards, cas: try patterns("cas", setting.cas) { text throws(PatternError) in try CAPattern(text) },
            externalAccounts: setting.externalAccounts, rate: setting.rate)
    }
}
