import StrictJSON

/// A text that is equal for equal values: members are sorted, numbers are doubles, null members are left out (in
/// Varlink, null and absent are the same for a nullable field).
enum CanonicalJSON {
    static func text(of value: JSONValue) throws -> String {
        switch value.kindName {
        case "object":
            let members = try value.object().members.filter { !$0.value.isNull }.sorted { $0.name < $1.name }
            return "{" + (try members.map { "\"\($0.name)\":" + (try text(of: $0.value)) }.joined(separator: ",")) + "}"
        case "array": return "[" + (try value.array().map { try text(of: $0) }.joined(separator: ",")) + "]"
        case "number": return String(try value.double())
        case "string":
            var writer = JSONWriter()
            writer.string(try value.string())
            return String(decoding: writer.bytes, as: UTF8.self)
        default: return String(decoding: value.source, as: UTF8.self)
        }
    }

    static func text(of object: JSONObject) throws -> String {
        try text(of: JSONDocument(parsing: Array(object.source)).root)
    }

    static func text(of source: String) throws -> String {
        try text(of: JSONDocument(parsing: Array(source.utf8)).root)
    }
}
