/// A strictly parsed JSON text (RFC 8259): valid UTF-8, no duplicate member after unescaping, bounded depth, nothing
/// after its end.
///
/// The text is kept unchanged, with one flat list of nodes: parsing a short message allocates at most twice, and not at
/// all when a document is reused (``parse(_:limits:)``).
public struct JSONDocument: Sendable {
    struct Node: Sendable {
        enum Kind: UInt8, Sendable { case null, `true`, `false`, integer, number, string, escapedString, array, object }
        var kind: Kind
        /// First byte of the value; for strings, the byte after the quote.
        var start: Int32
        /// The byte after the value; for strings, the closing quote; for containers, the byte after the bracket.
        var end: Int32
        /// Index of the node after this value and everything in it. While a container is being parsed: the index of the
        /// container around it, or `none`.
        var next: Int32
        /// Number of direct elements or members.
        var count: Int32

        static let none = -1
    }

    private(set) var bytes: [UInt8]
    private(set) var nodes: [Node]

    init(bytes: [UInt8], nodes: [Node]) {
        self.bytes = bytes
        self.nodes = nodes
    }

    /// Reads a whole text.
    /// - Throws: `JSONError` with the offset of the first invalid byte.
    public init(parsing bytes: [UInt8], limits: JSONLimits = .default) throws(JSONError) {
        self.init(bytes: bytes, nodes: [])
        try read(limits)
    }

    /// Parses another text into this document and its memory. Values taken from the old text stay valid: while any
    /// exist, the new text gets new memory.
    /// - Throws: like ``init(parsing:limits:)``; the document is then `{}`.
    public mutating func parse(_ text: ArraySlice<UInt8>, limits: JSONLimits = .default) throws(JSONError) {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: text)
        do throws(JSONError) { try read(limits) } catch {
            self = .emptyObject
            throw error
        }
    }

    /// Bytes of memory that the document holds.
    public var capacity: Int { bytes.capacity + nodes.capacity * MemoryLayout<Node>.stride }

    private mutating func read(_ limits: JSONLimits) throws(JSONError) {
        guard bytes.count < Int(Int32.max) else { throw JSONError(.tooLarge, offset: 0) }
        var parser = JSONParser(limits: limits)
        var failure: JSONError?
        bytes.withUnsafeBufferPointer { text in
            do throws(JSONError) { try parser.parse(text, into: &nodes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// The outermost value.
    public var root: JSONValue { JSONValue(document: self, index: 0) }
}
