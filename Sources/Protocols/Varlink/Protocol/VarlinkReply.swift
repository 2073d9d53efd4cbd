import StrictJSON

/// One reply from a server, strictly parsed. UAPI.20, "Method reply".
public struct VarlinkReply: Sendable {
    /// The reply's parameters; empty if the message has none.
    public let parameters: JSONObject
    /// More replies to the same call follow.
    public let continues: Bool

    /// A reply as a service sends it.
    public init(parameters: JSONObject, continues: Bool = false) {
        self.parameters = parameters
        self.continues = continues
    }

    /// Parses a message without its NUL.
    /// - Throws: ``VarlinkError`` if the message is one, ``JSONError`` if it is not a valid reply.
    static func parse(_ message: [UInt8], limits: JSONLimits) throws -> VarlinkReply {
        let object = try JSONDocument(parsing: message, limits: limits).root.object()
        try object.finish(known: ["parameters", "continues", "error"])
        let parameters = try object.optionalObject("parameters") ?? .empty
        let continues = try object.optionalBool("continues") ?? false
        guard let name = try object.optionalString("error") else {
            return VarlinkReply(parameters: parameters, continues: continues)
        }
        // An error ends a call, whatever else it says.
        guard !continues else { throw JSONError(.invalidValue, offset: 0, member: "continues") }
        throw VarlinkError(name: name, parameters: parameters)
    }
}
