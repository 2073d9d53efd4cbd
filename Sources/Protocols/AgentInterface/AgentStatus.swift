import StrictJSON

/// A token in the reply of `GetStatus`: type `Token` of the interface.
public struct TokenStatus: Sendable, Hashable {
    public enum State: String, Sendable { case starting, ready, unavailable }
    public var name: String
    public var state: State
    public var label: String?
    public var model: String?
    /// A stable word for why it is unavailable, such as `pinIncorrect`.
    public var reason: String?
    public var message: String?
    public var hint: String?
    /// How many times the helper was restarted.
    public var restarts: Int

    public init(
        name: String, state: State, label: String? = nil, model: String? = nil, reason: String? = nil, message: String? = nil,
        hint: String? = nil, restarts: Int = 0
    ) {
        self.name = name
        self.state = state
        self.label = label
        self.model = model
        self.reason = reason
        self.message = message
        self.hint = hint
        self.restarts = restarts
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("name", name)
        json.member("state", state.rawValue)
        json.member("label", ifPresent: label)
        json.member("model", ifPresent: model)
        json.member("reason", ifPresent: reason)
        json.member("message", ifPresent: message)
        json.member("hint", ifPresent: hint)
        json.member("restarts", restarts)
        json.endObject()
    }

    init(_ json: JSONObject) throws(JSONError) {
        self.init(
            name: try json.string("name"), state: State(rawValue: try json.string("state")) ?? .unavailable,
            label: try json.optionalString("label"), model: try json.optionalString("model"), reason: try json.optionalString("reason"),
            message: try json.optionalString("message"), hint: try json.optionalString("hint"), restarts: Int(try json.integer("restarts")))
    }
}

/// The configuration in force: type `Configuration` of the interface.
public struct ConfigurationStatus: Sendable, Hashable {
    /// An entry that is off until what it names exists.
    public struct Entry: Sendable, Hashable {
        /// `grant "web"`
        public var entry: String
        /// From 1.
        public var line: Int?
        public var message: String

        public init(entry: String, line: Int?, message: String) {
            self.entry = entry
            self.line = line
            self.message = message
        }
    }

    /// When the file was read, RFC 3339.
    public var loaded: String
    /// SHA-256 of the file, lower-case hex.
    public var sha256: String
    /// The number of entries that are off.
    public var off: Int
    /// Those entries; empty for a caller who may not see them.
    public var entries: [Entry]
    /// Why the last reload was refused; `nil` if it was not, or for a caller who may not see it.
    public var reloadError: String?

    public init(loaded: String, sha256: String, off: Int, entries: [Entry] = [], reloadError: String? = nil) {
        self.loaded = loaded
        self.sha256 = sha256
        self.off = off
        self.entries = entries
        self.reloadError = reloadError
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("loaded", loaded)
        json.member("sha256", sha256)
        json.member("off", off)
        json.name("entries")
        json.beginArray()
        for entry in entries {
            json.beginObject()
            json.member("entry", entry.entry)
            if let line = entry.line { json.member("line", line) }
            json.member("message", entry.message)
            json.endObject()
        }
        json.endArray()
        json.member("reloadError", ifPresent: reloadError)
        json.endObject()
    }

    init(_ json: JSONObject) throws(JSONError) {
        var entries: [Entry] = []
        for value in try json.array("entries") {
            let entry = try value.object()
            entries.append(
                Entry(
                    entry: try entry.string("entry"), line: try entry.optionalInteger("line").map { Int($0) },
                    message: try entry.string("message")))
        }
        self.init(
            loaded: try json.string("loaded"), sha256: try json.string("sha256"), off: Int(try json.integer("off")), entries: entries,
            reloadError: try json.optionalString("reloadError"))
    }
}

/// The reply of `GetStatus`.
public struct AgentStatus: Sendable, Hashable {
    public var version: String
    public var user: UInt32
    public var groups: [UInt32]
    public var tokens: [TokenStatus]
    public var grants: [GrantStatus]
    /// Names of the external account credentials that the agent holds and the caller's grants list (RFC 8555 §7.3.4);
    /// never their secrets.
    public var externalAccounts: [String]
    /// Names of keys with which a grant allows TLS 1.2, at most 64.
    public var serverKeyExchangeKeys: [String]
    /// Sequence number of the last record of the audit trail.
    public var auditSequence: UInt64
    /// `writable`, or why it is not.
    public var auditState: String
    /// `nil` for a caller without a grant, except root and the agent's own user.
    public var configuration: ConfigurationStatus?
    /// What is off or needs attention, as far as it concerns the caller.
    public var problems: [ProblemStatus]
    /// The call, as the agent's log and its audit trail would name it: start, connection and call. `nil` from an earlier
    /// version of the agent.
    public var correlation: String?

    public init(
        version: String, user: UInt32, groups: [UInt32], tokens: [TokenStatus], grants: [GrantStatus], externalAccounts: [String],
        serverKeyExchangeKeys: [String] = [], auditSequence: UInt64, auditState: String, configuration: ConfigurationStatus? = nil,
        problems: [ProblemStatus] = [], correlation: String? = nil
    ) {
        self.correlation = correlation
        self.version = version
        self.user = user
        self.groups = groups
        self.tokens = tokens
        self.grants = grants
        self.externalAccounts = externalAccounts
        self.serverKeyExchangeKeys = serverKeyExchangeKeys
        self.auditSequence = auditSequence
        self.auditState = auditState
        self.configuration = configuration
        self.problems = problems
    }

    /// Writes the members of the reply's parameters.
    public func writeMembers(to json: inout JSONWriter) {
        json.member("version", version)
        json.member("user", user)
        json.name("groups")
        json.beginArray()
        for group in groups { json.integer(group) }
        json.endArray()
        json.name("tokens")
        json.beginArray()
        for token in tokens { token.write(to: &json) }
        json.endArray()
        json.name("grants")
        json.beginArray()
        for grant in grants { grant.write(to: &json) }
        json.endArray()
        json.member("externalAccounts", externalAccounts)
        json.member("serverKeyExchangeKeys", serverKeyExchangeKeys)
        json.member("auditSequence", auditSequence)
        json.member("auditState", auditState)
        if let configuration {
            json.name("configuration")
            configuration.write(to: &json)
        }
        json.name("problems")
        json.beginArray()
        for problem in problems { problem.write(to: &json) }
        json.endArray()
        json.member("correlation", ifPresent: correlation)
    }

    public init(reply json: JSONObject) throws(AgentReplyError) {
        do {
            var tokens: [TokenStatus] = [], grants: [GrantStatus] = [], groups: [UInt32] = [], problems: [ProblemStatus] = []
            // Earlier versions of the agent send none.
            for problem in try json.optional("problems")?.array("problems") ?? [] { problems.append(try ProblemStatus(problem.object())) }
            for token in try json.array("tokens") { tokens.append(try TokenStatus(token.object())) }
            for grant in try json.array("grants") { grants.append(try GrantStatus(grant.object())) }
            for group in try json.array("groups") { groups.append(UInt32(truncatingIfNeeded: try group.integer())) }
            self.init(
                version: try json.string("version"), user: UInt32(truncatingIfNeeded: try json.integer("user")), groups: groups,
                tokens: tokens, grants: grants, externalAccounts: try json.strings("externalAccounts"),
                serverKeyExchangeKeys: try json.optionalStrings("serverKeyExchangeKeys") ?? [],
                auditSequence: UInt64(clamping: try json.integer("auditSequence")), auditState: try json.string("auditState"),
                configuration: try json.optionalObject("configuration").map { try ConfigurationStatus($0) }, problems: problems,
                correlation: try json.optionalString("correlation"))
        } catch {
            throw AgentReplyError("an unreadable status: \(error)")
        }
    }
}
