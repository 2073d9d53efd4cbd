import StrictJSON

/// A grant and whom it is for: type `AssignedGrant` of the interface.
public struct AssignedGrant: Hashable, Sendable {
    /// What it allows; without rates, of which `limits` has those of the configuration.
    public var grant: GrantStatus
    /// Users and groups as the configuration names them; for a caller who may know only its own grants, those that it
    /// is or is a member of.
    public var users: [String]
    public var groups: [String]
    /// The line of the grant in the configuration file, from 1; `nil` for a caller who may know only its own grants.
    public var line: Int?
    /// Why it is off, so that it allows nothing now; `nil` if it is in force.
    public var off: String?
    /// How often it may be used; empty without limits.
    public var limits: [RateLimit]

    public init(
        grant: GrantStatus, users: [String], groups: [String], line: Int? = nil, off: String? = nil, limits: [RateLimit] = []
    ) {
        self.grant = grant
        self.users = users
        self.groups = groups
        self.line = line
        self.off = off
        self.limits = limits
    }

    /// Writes the interface's `AssignedGrant`.
    public func write(to json: inout JSONWriter) {
        json.beginObject()
        json.name("grant")
        grant.write(to: &json)
        json.member("users", users)
        json.member("groups", groups)
        json.member("line", ifPresent: line.map { Int64($0) })
        json.member("off", ifPresent: off)
        json.name("limits")
        json.beginArray()
        for limit in limits { limit.write(to: &json) }
        json.endArray()
        json.endObject()
    }

    init(_ json: JSONObject) throws(JSONError) {
        var limits: [RateLimit] = []
        for limit in try json.optional("limits")?.array("limits") ?? [] { limits.append(try RateLimit(limit.object())) }
        self.init(
            grant: try GrantStatus(json.object("grant")), users: try json.strings("users"), groups: try json.strings("groups"),
            line: try json.optionalInteger("line").map { Int($0) }, off: try json.optionalString("off"), limits: limits)
    }
}

/// Who may do what: the reply of `ListGrants`, or all of its parts.
public struct GrantListing: Hashable, Sendable {
    /// Whether these are everybody's grants, not only the caller's.
    public var isComplete: Bool
    /// The configuration file; `nil` for a caller who may know only its own grants.
    public var file: String?
    /// In the order of the file.
    public var grants: [AssignedGrant]

    public init(isComplete: Bool, file: String? = nil, grants: [AssignedGrant]) {
        self.isComplete = isComplete
        self.file = file
        self.grants = grants
    }

    /// Writes the members of the reply's parameters.
    public func writeMembers(to json: inout JSONWriter) {
        json.member("complete", isComplete)
        json.member("file", ifPresent: file)
        json.name("grants")
        json.beginArray()
        for grant in grants { grant.write(to: &json) }
        json.endArray()
    }

    /// - Throws: `AgentReplyError` if the reply does not match the interface.
    public init(reply json: JSONObject) throws(AgentReplyError) {
        do {
            var grants: [AssignedGrant] = []
            for grant in try json.array("grants") { grants.append(try AssignedGrant(grant.object())) }
            self.init(isComplete: try json.bool("complete"), file: try json.optionalString("file"), grants: grants)
        } catch {
            throw AgentReplyError("an unreadable list of grants: \(error)")
        }
    }
}
