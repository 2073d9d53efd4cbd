import StrictJSON

/// Why a CA's answer is not the object that was requested.
public struct ACMEDocumentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// `directory`, `order`, …
    public let object: String
    /// The member concerned, named as in ACME.
    public let member: String?
    /// Part of a sentence; printable.
    public let reason: String

    init(_ object: String, _ member: String?, _ reason: String) {
        self.object = object
        self.member = member
        self.reason = reason
    }

    init(_ object: String, _ error: JSONError) {
        self.init(object, error.member, error.description)
    }

    public var description: String {
        let place = member.map { ", member \"\($0)\"" } ?? ""
        return "the CA's \(object) does not follow \(standard)\(place): \(reason)"
    }

    /// The one that defines the object.
    private var standard: String { object == RenewalInformation.object ? "RFC 9773" : "RFC 8555" }
}

/// Reads the members of one object, so that each error names the object and the member.
struct DocumentReader {
    let name: String
    let object: JSONObject

    init(_ name: String, _ value: JSONValue) throws(ACMEDocumentError) {
        self.name = name
        do { object = try value.object() } catch { throw ACMEDocumentError(name, error) }
    }

    func failure(_ member: String, _ reason: String) -> ACMEDocumentError { ACMEDocumentError(name, member, reason) }

    func string(_ member: String) throws(ACMEDocumentError) -> String {
        do { return try object.string(member) } catch { throw ACMEDocumentError(name, error) }
    }

    /// A string that is only shown or compared, of bounded length.
    func text(_ member: String, limit: Int = Problem.maximumTextLength) throws(ACMEDocumentError) -> String? {
        let text: String?
        do { text = try object.optionalString(member) } catch { throw ACMEDocumentError(name, error) }
        guard let text else { return nil }
        guard text.utf8.count <= limit else { throw failure(member, "longer than \(limit) bytes") }
        return text
    }

    /// A text for people that nothing depends on: an unreadable one counts as absent.
    func remark(_ member: String, limit: Int = Problem.maximumTextLength) -> String? {
        guard let text = try? object.optional(member)?.string(), text.utf8.count <= limit else { return nil }
        return text
    }

    func bool(_ member: String) throws(ACMEDocumentError) -> Bool? {
        do { return try object.optionalBool(member) } catch { throw ACMEDocumentError(name, error) }
    }

    func url(_ member: String) throws(ACMEDocumentError) -> ACMEURL {
        try url(try string(member), member)
    }

    func optionalURL(_ member: String) throws(ACMEDocumentError) -> ACMEURL? {
        guard object.optional(member) != nil else { return nil }
        return try url(member)
    }

    func url(_ text: String, _ member: String) throws(ACMEDocumentError) -> ACMEURL {
        do { return try ACMEURL(text) } catch { throw failure(member, error.description) }
    }

    /// An array of at most `limit` values; empty if it is absent, unless `isRequired`.
    func array(_ member: String, limit: Int, isRequired: Bool = false) throws(ACMEDocumentError) -> [JSONValue] {
        guard isRequired || object.optional(member) != nil else { return [] }
        let values: [JSONValue]
        do { values = try object.array(member) } catch { throw ACMEDocumentError(name, error) }
        guard values.count <= limit else { throw failure(member, "more than \(limit) values") }
        return values
    }

    func strings(_ member: String, limit: Int) throws(ACMEDocumentError) -> [String] {
        var result: [String] = []
        for value in try array(member, limit: limit) {
            do { result.append(try value.string(member)) } catch { throw ACMEDocumentError(name, error) }
        }
        return result
    }

    /// A value of a closed list.
    func status<Status: RawRepresentable<String>>(_ type: Status.Type) throws(ACMEDocumentError) -> Status {
        let text = try string("status")
        guard let status = Status(rawValue: text) else {
            throw failure("status", "\"\(TerminalText.safe(text, limit: 32))\" is not one of its states")
        }
        return status
    }

    /// A timestamp, unchanged, if it is RFC 3339. Any other counts as absent, since nothing depends on it alone.
    func timestamp(_ member: String) throws(ACMEDocumentError) -> String? {
        guard let text = try text(member), RFC3339.seconds(text) != nil else { return nil }
        return text
    }

    func identifier(_ value: JSONValue) throws(ACMEDocumentError) -> Identifier {
        let type: String
        let text: String
        do {
            let object = try value.object("identifier")
            type = try object.string("type")
            text = try object.string("value")
        } catch { throw ACMEDocumentError(name, error) }
        do { return try Identifier(type: type, value: text) } catch { throw failure("identifier", error.description) }
    }
}
