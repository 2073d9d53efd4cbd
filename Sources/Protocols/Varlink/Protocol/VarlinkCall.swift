import StrictJSON

/// One call from a client, strictly parsed. UAPI.20, "Method call".
public struct VarlinkCall: Sendable {
    /// The method called.
    public let method: VarlinkMethodName
    /// Its parameters; empty if the message has none.
    public let parameters: JSONObject
    /// The client wants no reply, not even an error.
    public let isOneway: Bool
    /// The client accepts several replies, all but the last marked `continues`.
    public let wantsMore: Bool

    /// A call as a client makes it.
    public init(method: VarlinkMethodName, parameters: JSONObject = .empty, isOneway: Bool = false, wantsMore: Bool = false) {
        self.method = method
        self.parameters = parameters
        self.isOneway = isOneway
        self.wantsMore = wantsMore
    }

    /// Parses a message without its NUL.
    ///
    /// Nothing is ignored: members that the specification does not name, duplicate members, wrong types, invalid method
    /// names, `upgrade` (this library does not hand over connections), and `more` together with `oneway` are refused.
    public init(parsing message: [UInt8], limits: JSONLimits = .default) throws(VarlinkCallFault) {
        let document: JSONDocument
        do throws(JSONError) { document = try JSONDocument(parsing: message, limits: limits) } catch { throw .malformed(error) }
        try self.init(document)
    }

    /// Like ``init(parsing:limits:)``, but reuses memory.
    init(
        parsing message: ArraySlice<UInt8>, into document: inout JSONDocument, limits: JSONLimits
    ) throws(VarlinkCallFault) {
        do throws(JSONError) { try document.parse(message, limits: limits) } catch { throw .malformed(error) }
        try self.init(document)
    }

    private init(_ document: JSONDocument) throws(VarlinkCallFault) {
        let members: JSONObject
        do throws(JSONError) { members = try document.root.object() } catch { throw .malformed(error) }
        var method: VarlinkMethodName?
        var parameters = JSONObject.empty
        var more = false, oneway = false, upgrade = false
        var invalid: String?
        for member in members {
            do throws(JSONError) {
                let value = member.value
                if member.isNamed("method") {
                    method = VarlinkMethodName(try value.utf8())
                } else if value.isNull, VarlinkCall.optionalMembers.contains(where: member.isNamed) {
                    continue
                } else if member.isNamed("parameters") {
                    parameters = try value.object()
                } else if member.isNamed("more") {
                    more = try value.bool()
                } else if member.isNamed("oneway") {
                    oneway = try value.bool()
                } else if member.isNamed("upgrade") {
                    upgrade = try value.bool()
                } else {
                    invalid = invalid ?? member.printableName
                }
            } catch {
                invalid = invalid ?? member.printableName
            }
        }
        if method == nil { invalid = "method" }
        if upgrade { invalid = invalid ?? "upgrade" }
        if oneway, more { invalid = invalid ?? "more" }
        guard let method, invalid == nil else { throw .invalid(member: invalid ?? "method", isOneway: oneway) }
        self.init(method: method, parameters: parameters, isOneway: oneway, wantsMore: more)
    }

    private static let optionalMembers: [StaticString] = ["parameters", "more", "oneway", "upgrade"]
}
