import StrictJSON

/// How often a grant may be used, and what is left of it: type `Rate` of the interface.
public struct RateStatus: Sendable, Hashable, CustomStringConvertible {
    /// As the configuration says.
    public var limit: RateLimit
    /// How many more may be asked for now.
    public var left: Int

    public init(_ limit: RateLimit, left: Int) {
        self.limit = limit
        self.left = left
    }

    /// `50 orders in 24 hours (12 left)`. Of what is limited by the second, nothing is left for long.
    public var description: String { limit.seconds == 1 ? "\(limit)" : "\(limit) (\(left) left)" }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        limit.writeMembers(to: &json)
        json.member("left", left)
        json.endObject()
    }

    init(_ json: JSONObject) throws(JSONError) { self.init(try RateLimit(json), left: Int(try json.integer("left"))) }
}
