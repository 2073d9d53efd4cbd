import StrictJSON

/// How often a grant may be used, as the configuration says: type `Limit` of the interface.
public struct RateLimit: Hashable, Sendable, CustomStringConvertible {
    /// `handshakes`, `orders`, `revocations` or `keys`.
    public var what: String
    /// `count` in `seconds`.
    public var count: Int
    public var seconds: Int
    /// As many at once.
    public var burst: Int

    public init(what: String, count: Int, seconds: Int, burst: Int) {
        self.what = what
        self.count = count
        self.seconds = seconds
        self.burst = burst
    }

    /// `50 orders in 24 hours`
    public var description: String {
        let all = what == "keys" ? "new keys" : what, counted = count == 1 ? String(all.dropLast()) : all
        return seconds == 1 ? "\(count) \(counted) a second, \(burst) at once" : "\(count) \(counted) in \(seconds / 3_600) hours"
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        writeMembers(to: &json)
        json.endObject()
    }

    /// The members that it has in common with `Rate`.
    func writeMembers(to json: inout JSONWriter) {
        json.member("what", what)
        json.member("count", count)
        json.member("seconds", seconds)
        json.member("burst", burst)
    }

    init(_ json: JSONObject) throws(JSONError) {
        self.init(
            what: try json.string("what"), count: Int(try json.integer("count")), seconds: Int(try json.integer("seconds")),
            burst: Int(try json.integer("burst")))
    }
}
