import StrictJSON

/// What one grant allows the caller: type `Grant` of the interface, with the patterns of the configuration.
public struct GrantStatus: Sendable, Hashable {
    public var name: String
    public var keys: [String]
    public var operations: [String]
    public var identifiers: [String]
    public var wildcards: Bool
    public var cas: [String]
    public var externalAccounts: [String]
    /// Empty without limits.
    public var rates: [RateStatus]

    public init(
        name: String, keys: [String], operations: [String], identifiers: [String], wildcards: Bool, cas: [String],
        externalAccounts: [String] = [], rates: [RateStatus] = []
    ) {
        self.name = name
        self.keys = keys
        self.operations = operations
        self.identifiers = identifiers
        self.wildcards = wildcards
        self.cas = cas
        self.externalAccounts = externalAccounts
        self.rates = rates
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("name", name)
        json.member("keys", keys)
        json.member("operations", operations)
        json.member("identifiers", identifiers)
        json.member("wildcards", wildcards)
        json.member("cas", cas)
        json.member("externalAccounts", externalAccounts)
        json.name("rates")
        json.beginArray()
        for rate in rates { rate.write(to: &json) }
        json.endArray()
        json.endObject()
    }

    init(_ json: JSONObject) throws(JSONError) {
        var rates: [RateStatus] = []
        for rate in try json.optional("rates")?.array("rates") ?? [] { rates.append(try RateStatus(rate.object())) }
        self.init(
            name: try json.string("name"), keys: try json.strings("keys"), operations: try json.strings("operations"),
            identifiers: try json.strings("identifiers"), wildcards: try json.bool("wildcards"), cas: try json.strings("cas"),
            externalAccounts: try json.optionalStrings("externalAccounts") ?? [], rates: rates)
    }
}
