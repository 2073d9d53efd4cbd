import ACME
import ConfigurationFile
import SigningPolicy

extension Policy {
    /// The policy that a configuration describes. Users and groups are looked up here, once.
    /// - Throws: `ConfigurationError` with the grant's line.
    init(_ settings: [AgentConfiguration.GrantSetting]) throws(ConfigurationError) {
        var grants: [Grant] = []
        for setting in settings { grants.append(try Grant(setting)) }
        do { try self.init(grants: grants) } catch {
            throw ConfigurationError(file: settings.first?.table.file ?? "", line: nil, message: error.description)
        }
    }
}

extension Grant {
    fileprivate init(_ setting: AgentConfiguration.GrantSetting) throws(ConfigurationError) {
        let table = setting.table
        var peers: [PeerPattern] = []
        for name in setting.users {
            guard let uid = UserDirectory.user(name) else { throw table.error("users", "names a user that does not exist: \"\(name)\"") }
            peers.append(.user(uid))
        }
        for name in setting.groups {
            guard let gid = UserDirectory.group(name) else { throw table.error("groups", "names a group that does not exist: \"\(name)\"") }
            peers.append(.group(gid))
        }
        func patterns<Pattern>(
            _ key: String, _ texts: [String], _ make: (String) throws(PatternError) -> Pattern
        ) throws(ConfigurationError) -> [Pattern] {
            var result: [Pattern] = []
            for text in texts {
                do { result.append(try make(text)) } catch { throw table.error(key, "holds \(error.description)") }
            }
            return result
        }
        let operations: Set<Operation>
        do { operations = try OperationBundle.operations(named: setting.operations) } catch {
            throw table.error("operations", "holds \(error.description)")
        }
        self.init(
            name: setting.name, peers: peers,
            keys: try patterns("keys", setting.keys) { text throws(PatternError) in try KeyPattern(text) },
            operations: operations,
            identifiers: try patterns("identifiers", setting.identifiers) { text throws(PatternError) in try IdentifierPattern(text) },
            wildcards: setting.wildcards, cas: try patterns("cas", setting.cas) { text throws(PatternError) in try CAPattern(text) })
    }
}
