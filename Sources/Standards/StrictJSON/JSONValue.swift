/// One value of a document, with checked accessors.
public struct JSONValue: Sendable {
    let document: JSONDocument
    let index: Int

    var node: JSONDocument.Node { document.nodes[index] }

    /// Offset of the value in the text, in bytes.
    public var offset: Int { Int(node.start) }

    public var isNull: Bool { node.kind == .null }

    /// The value's original text, including a string's quotes.
    public var source: ArraySlice<UInt8> {
        let isString = node.kind == .string || node.kind == .escapedString
        let start = Int(node.start) - (isString ? 1 : 0), end = Int(node.end) + (isString ? 1 : 0)
        return document.bytes[start..<end]
    }

    func mismatch(_ member: String?) -> JSONError { JSONError(.wrongType, offset: offset, member: member) }

    /// A string's content as UTF-8.
    public func stringBytes(_ member: String? = nil) throws(JSONError) -> [UInt8] {
        guard node.kind == .string || node.kind == .escapedString else { throw mismatch(member) }
        return document.bytes.withUnsafeBufferPointer { JSONDocument.unescape($0, node) }
    }

    /// A string's content as UTF-8; a slice of the text itself if the string has no escapes.
    public func utf8(_ member: String? = nil) throws(JSONError) -> ArraySlice<UInt8> {
        if node.kind == .string { return document.bytes[Int(node.start)..<Int(node.end)] }
        return try stringBytes(member)[...]
    }

    public func string(_ member: String? = nil) throws(JSONError) -> String {
        if node.kind == .string {
            let start = Int(node.start), end = Int(node.end)
            // The reader has validated the bytes, so nothing is repaired here.
            return document.bytes.withUnsafeBufferPointer { String(decoding: $0[start..<end], as: UTF8.self) }
        }
        return String(decoding: try stringBytes(member), as: UTF8.self)
    }

    /// An integer. A number with a fraction or an exponent, or beyond 64 bits, is refused.
    public func integer(_ member: String? = nil) throws(JSONError) -> Int64 {
        guard node.kind == .integer else { throw mismatch(member) }
        let digits = String(decoding: source, as: UTF8.self)
        guard let value = Int64(digits) else { throw JSONError(.integerOutOfRange, offset: offset, member: member) }
        return value
    }

    public func double(_ member: String? = nil) throws(JSONError) -> Double {
        guard node.kind == .integer || node.kind == .number else { throw mismatch(member) }
        guard let value = Double(String(decoding: source, as: UTF8.self)), value.isFinite else {
            throw JSONError(.integerOutOfRange, offset: offset, member: member)
        }
        return value
    }

    public func bool(_ member: String? = nil) throws(JSONError) -> Bool {
        switch node.kind {
        case .true: return true
        case .false: return false
        default: throw mismatch(member)
        }
    }

    public func array(_ member: String? = nil) throws(JSONError) -> [JSONValue] {
        guard node.kind == .array else { throw mismatch(member) }
        var values: [JSONValue] = []
        values.reserveCapacity(Int(node.count))
        var at = index + 1
        for _ in 0..<Int(node.count) {
            values.append(JSONValue(document: document, index: at))
            at = Int(document.nodes[at].next)
        }
        return values
    }

    public func object(_ member: String? = nil) throws(JSONError) -> JSONObject {
        guard node.kind == .object else { throw mismatch(member) }
        return JSONObject(document: document, index: index)
    }

    /// The member with that name, if this is an object that has it.
    public subscript(name: String) -> JSONValue? {
        guard node.kind == .object else { return nil }
        return JSONObject(document: document, index: index).find(name)?.1
    }

    /// The kind as a word, for messages.
    public var kindName: String {
        switch node.kind {
        case .null: "null"
        case .true, .false: "boolean"
        case .integer, .number: "number"
        case .string, .escapedString: "string"
        case .array: "array"
        case .object: "object"
        }
    }
}

/// An object whose members are read by name; `finish` refuses the unknown ones.
public struct JSONObject: Sendable {
    let document: JSONDocument
    let index: Int

    init(document: JSONDocument, index: Int) {
        self.document = document
        self.index = index
    }

    public var count: Int { Int(document.nodes[index].count) }

    /// The object's original text.
    public var source: ArraySlice<UInt8> { JSONValue(document: document, index: index).source }

    /// All members, in the order of the text.
    public var members: [(name: String, value: JSONValue)] {
        var result: [(String, JSONValue)] = []
        var at = index + 1
        for _ in 0..<count {
            let name = (try? JSONValue(document: document, index: at).string()) ?? ""
            result.append((name, JSONValue(document: document, index: at + 1)))
            at = Int(document.nodes[at + 1].next)
        }
        return result
    }

    func find(_ name: String) -> (Int, JSONValue)? {
        var at = index + 1
        for _ in 0..<count {
            if matches(at, name) { return (at, JSONValue(document: document, index: at + 1)) }
            at = Int(document.nodes[at + 1].next)
        }
        return nil
    }

    private func matches(_ nameIndex: Int, _ name: String) -> Bool {
        let node = document.nodes[nameIndex]
        if node.kind == .escapedString {
            return document.bytes.withUnsafeBufferPointer { JSONDocument.unescape($0, node) }.elementsEqual(name.utf8)
        }
        guard Int(node.end - node.start) == name.utf8.count else { return false }
        return document.bytes.withUnsafeBufferPointer { text in
            let own = text[Int(node.start)..<Int(node.end)]
            // Use contiguous memory; every native Swift string has it.
            return name.utf8.withContiguousStorageIfAvailable { areSame(UnsafeBufferPointer(rebasing: own), $0) }
                ?? own.elementsEqual(name.utf8)
        }
    }

    /// The member's value; `nil` if it is absent or null (in Varlink, a nullable field may be either).
    public func optional(_ name: String) -> JSONValue? {
        guard let (_, value) = find(name) else { return nil }
        return value.isNull ? nil : value
    }

    public func required(_ name: String) throws(JSONError) -> JSONValue {
        guard let value = optional(name) else {
            throw JSONError(.missingMember, offset: Int(document.nodes[index].start), member: name)
        }
        return value
    }

    public func string(_ name: String) throws(JSONError) -> String { try required(name).string(name) }
    public func integer(_ name: String) throws(JSONError) -> Int64 { try required(name).integer(name) }
    public func bool(_ name: String) throws(JSONError) -> Bool { try required(name).bool(name) }
    public func object(_ name: String) throws(JSONError) -> JSONObject { try required(name).object(name) }
    public func array(_ name: String) throws(JSONError) -> [JSONValue] { try required(name).array(name) }

    public func strings(_ name: String) throws(JSONError) -> [String] {
        var result: [String] = []
        for value in try array(name) { result.append(try value.string(name)) }
        return result
    }

    public func optionalString(_ name: String) throws(JSONError) -> String? {
        guard let value = optional(name) else { return nil }
        return try value.string(name)
    }

    public func optionalInteger(_ name: String) throws(JSONError) -> Int64? {
        guard let value = optional(name) else { return nil }
        return try value.integer(name)
    }

    public func optionalBool(_ name: String) throws(JSONError) -> Bool? {
        guard let value = optional(name) else { return nil }
        return try value.bool(name)
    }

    public func optionalObject(_ name: String) throws(JSONError) -> JSONObject? {
        guard let value = optional(name) else { return nil }
        return try value.object(name)
    }

    public func optionalStrings(_ name: String) throws(JSONError) -> [String]? {
        guard let value = optional(name) else { return nil }
        var result: [String] = []
        for element in try value.array(name) { result.append(try element.string(name)) }
        return result
    }

    /// Refuses every member whose name is neither among `known` nor among `others`.
    public func finish(known: [String], and others: [String] = []) throws(JSONError) {
        var at = index + 1
        for _ in 0..<count {
            if !known.contains(where: { matches(at, $0) }), !others.contains(where: { matches(at, $0) }) {
                let node = document.nodes[at]
                let name = document.bytes.withUnsafeBufferPointer { JSONDocument.printable(JSONDocument.unescape($0, node)) }
                throw JSONError(.unknownMember, offset: Int(node.start), member: name)
            }
            at = Int(document.nodes[at + 1].next)
        }
    }
}
