import StrictJSON

/// Something that is off because it cannot be used, while the rest is served, or that needs attention: type `Problem`
/// of the interface.
public struct ProblemStatus: Sendable, Hashable {
    /// The kind: `grant` (off), `grants` (off, of others), `key` (off), `weak-key`, `keys` (more of them).
    public var what: String
    public var name: String
    /// A sentence without a full stop.
    public var message: String

    public init(what: String, name: String, message: String) {
        self.what = what
        self.name = name
        self.message = message
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("what", what)
        json.member("name", name)
        json.member("message", message)
        json.endObject()
    }

    init(_ json: JSONObject) throws(JSONError) {
        self.init(what: try json.string("what"), name: try json.string("name"), message: try json.string("message"))
    }
}
