/// One member of an object. Its name stays in the text, so access allocates nothing.
public struct JSONMember: Sendable {
    let document: JSONDocument
    let nameIndex: Int

    /// The member's value.
    public var value: JSONValue { JSONValue(document: document, index: nameIndex + 1) }

    /// The name, decoded.
    public var name: String { (try? JSONValue(document: document, index: nameIndex).string()) ?? "" }

    /// The name for a log or an error message: printable ASCII, at most 64 bytes.
    public var printableName: String {
        let node = document.nodes[nameIndex]
        return document.bytes.withUnsafeBufferPointer { JSONDocument.printable(JSONDocument.unescape($0, node)) }
    }

    /// Whether the name is `other`, byte by byte after unescaping.
    public func isNamed(_ other: StaticString) -> Bool {
        let node = document.nodes[nameIndex]
        return other.withUTF8Buffer { name in
            document.bytes.withUnsafeBufferPointer { text in
                if node.kind == .escapedString { return JSONDocument.unescape(text, node).elementsEqual(name) }
                return areSame(UnsafeBufferPointer(rebasing: text[Int(node.start)..<Int(node.end)]), name)
            }
        }
    }
}

extension JSONObject: Sequence {
    /// Iterates over the members in the order of the text.
    public struct Iterator: IteratorProtocol, Sendable {
        let document: JSONDocument
        var at: Int
        var left: Int

        public mutating func next() -> JSONMember? {
            guard left > 0 else { return nil }
            left -= 1
            defer { at = Int(document.nodes[at + 1].next) }
            return JSONMember(document: document, nameIndex: at)
        }
    }

    public func makeIterator() -> Iterator { Iterator(document: document, at: index + 1, left: count) }

    public var underestimatedCount: Int { count }

    /// An object without members.
    public static let empty = JSONObject(document: .emptyObject, index: 0)
}

extension JSONDocument {
    /// The text `{}`.
    public static let emptyObject = JSONDocument(
        bytes: Array("{}".utf8), nodes: [Node(kind: .object, start: 0, end: 2, next: 1, count: 0)])
}
