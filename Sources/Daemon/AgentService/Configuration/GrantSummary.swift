import ACME
import SigningPolicy

/// What a grant allows, in plain words, for `--check-config`.
struct GrantSummary: Sendable, CustomStringConvertible {
    private let setting: AgentConfiguration.GrantSetting
    private let grant: Grant

    /// - Parameter grant: the same grant with its patterns read; its peers do not matter.
    init(_ setting: AgentConfiguration.GrantSetting, _ grant: Grant) {
        self.setting = setting
        self.grant = grant
    }

    var description: String {
        let line = setting.table.line(of: "name").map { " (line \($0))" } ?? ""
        var lines = ["grant \"\(setting.name)\"\(line)", "  lets \(peers)"]
        lines += Operation.allCases.filter { grant.operations.contains($0) && !$0.isAboutKeys }.map { "  " + Self.words($0) }
        lines += limited
        if !grant.externalAccounts.isEmpty { lines.append("  with external accounts \(grant.externalAccounts.joined(separator: ", "))") }
        if let rate = grant.rate { lines.append("  " + Self.words(rate)) }
        if grant.operations.contains(.newAccount), !grant.keys.isEmpty, !coversAccountKeys {
            lines.append("  note: registering an account needs --key: this grant covers no key whose name begins with \"account-\"")
        }
        lines += keyless.map { "  note: a certificate for \($0.name) needs --key: this grant does not cover its key \"\($0.key)\"" }
        return lines.joined(separator: "\n")
    }

    private var peers: String {
        let users = setting.users.map { "user \($0)" }, groups = setting.groups.map { "everybody in group \($0)" }
        return (users + groups).joined(separator: ", ")
    }

    /// The operations limited by keys, grouped by their other limits: a list of names or CAs must not seem to limit an
    /// operation that has neither.
    private var limited: [String] {
        let operations = Operation.allCases.filter { grant.operations.contains($0) && $0.isAboutKeys }
        guard !operations.isEmpty else { return [] }
        let cas = "at \(Self.list(grant.cas.map(\.description), none: "no CA"))"
        let names = "for \(Self.list(grant.identifiers.map(Self.words), none: "no name"))" + wildcards
        func line(_ limits: [String], _ isMeant: (Operation) -> Bool) -> [String] {
            let words = operations.filter(isMeant).map(Self.words)
            guard !words.isEmpty else { return [] }
            return ["    " + words.joined(separator: ", ")] + limits.map { "      " + $0 }
        }
        return ["  with \(Self.list(grant.keys.map(Self.words), none: "no key"))"]
            + line([]) { !$0.isForCA && !$0.needsIdentifiers }
            + line([names]) { !$0.isForCA && $0.needsIdentifiers }
            + line([cas]) { $0.isForCA && !$0.needsIdentifiers }
            + line([names, cas]) { $0.isForCA && $0.needsIdentifiers }
    }

    private var wildcards: String {
        guard !grant.identifiers.isEmpty else { return "" }
        return grant.wildcards ? "; wildcards too" : "; no wildcards"
    }

    /// Whether a key is covered that `acme-agent` would name for an account: `account-USER-HOST`.
    private var coversAccountKeys: Bool {
        grant.keys.contains { pattern in
            switch pattern {
            case .name(let name): name.rawValue.hasPrefix("account-")
            case .prefix(let prefix): prefix.hasPrefix("account-") || "account-".hasPrefix(prefix)
            }
        }
    }

    /// Names whose certificates would get a key, named by `acme-agent` after the certificate, that this grant does not
    /// cover; at most eight.
    private var keyless: [(name: String, key: KeyName)] {
        guard grant.operations.contains(.finalize), !grant.keys.isEmpty else { return [] }
        let names = grant.identifiers.compactMap { pattern -> (name: String, key: KeyName)? in
            guard let key = keyNames(pattern).first(where: { !grant.covers(key: $0) }) else { return nil }
            guard case .network = pattern else { return (pattern.description, key) }
            return ("an address in \(pattern)", key)
        }
        return Array(names.prefix(8))
    }

    /// The default names of the keys for certificates that a pattern covers, or of some of them; none if there is no
    /// telling.
    private func keyNames(_ pattern: IdentifierPattern) -> [KeyName] {
        let texts: [String] =
            switch pattern {
            case .any: []
            case .name: [pattern.description]
            case .subdomains: grant.wildcards ? ["wildcard_." + pattern.description.dropFirst(2)] : []
            case .address(let address): [Self.keyName(address)]
            case .network(let address, let length): [Self.keyName(address), Self.keyName(Self.last(of: address, length))]
            }
        return texts.compactMap { try? KeyName($0) }
    }

    /// The last address of a network: if a grant covers the keys of the first and the last one, it covers all by a
    /// prefix.
    private static func last(of network: IPAddress, _ length: Int) -> IPAddress {
        let bytes = network.bytes.enumerated().map { $1 | UInt8(0xFF >> min(8, max(0, length - $0 * 8))) }
        return (try? IPAddress(bytes: bytes)) ?? network
    }

    private static func keyName(_ address: IPAddress) -> String {
        address.isIPv4 ? address.text : "ipv6_." + String(address.text.map { $0 == ":" ? "-" : $0 })
    }

    private static func list(_ words: [String], none: String) -> String { words.isEmpty ? none : words.joined(separator: ", ") }

    private static func words(_ rate: GrantRate) -> String {
        let limits = GrantRate.Kind.allCases.compactMap { kind in
            rate.limits[kind].map { limit in
                "\(limit.count) \(kind.name(limit.count)) " + (kind == .handshakes ? "a second, \(limit.burst) at once" : "in 24 hours")
            }
        }
        return "at most " + limits.joined(separator: "; ")
    }

    private static func words(_ pattern: KeyPattern) -> String {
        switch pattern {
        case .name(let name): "the key \(name)"
        case .prefix(""): "every key"
        case .prefix(let prefix): "keys whose names begin with \"\(prefix)\""
        }
    }

    private static func words(_ pattern: IdentifierPattern) -> String {
        switch pattern {
        case .any: "every name and address"
        case .subdomains: "names with one label before \(pattern.description.dropFirst(2))"
        case .network: "addresses in \(pattern)"
        case .name, .address: pattern.description
        }
    }

    private static func words(_ operation: Operation) -> String {
        switch operation {
        case .newAccount: "register accounts"
        case .updateAccount: "change accounts' contacts"
        case .deactivateAccount: "deactivate accounts"
        case .keyChange: "change accounts' keys"
        case .newOrder: "order certificates"
        case .postAsGet: "fetch orders and certificates"
        case .respondToChallenge: "respond to challenges"
        case .deactivateAuthorization: "deactivate authorizations"
        case .finalize: "finalize orders"
        case .revokeCertificate: "revoke certificates"
        case .createKey: "make keys"
        case .adoptKey: "adopt keys"
        case .retireKey: "retire keys"
        case .deleteKey: "delete keys"
        case .listKeys: "list keys"
        case .signRequest: "sign certificate requests outside of orders"
        case .signHandshake: "sign TLS 1.3 handshakes as the server"
        case .signClientHandshake: "sign TLS 1.3 handshakes as a client"
        case .signServerKeyExchange: "sign TLS 1.2 handshakes as the server"
        case .readAudit: "read the whole audit trail"
        case .readMetrics: "read the metrics, which name all keys and grants"
        }
    }

    static func all(_ settings: [AgentConfiguration.GrantSetting]) -> [String] {
        settings.compactMap { setting in (try? Grant(setting)).map { GrantSummary(setting, $0).description } }
    }
}
