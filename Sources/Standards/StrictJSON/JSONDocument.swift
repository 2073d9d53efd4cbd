/// A JSON text (RFC 8259) that was read strictly: valid UTF-8, no duplicate member after unescaping, bounded depth, nothing behind it.
///
/// The text is kept as it came, with one flat list of nodes beside it: reading allocates twice, whatever the text holds, and not at all where
/// a document is used again (``parse(_:limits:)``).
public struct JSONDocument: Sendable {
    struct Node: Sendable {
        enum Kind: UInt8, Sendable { case null, `true`, `false`, integer, number, string, escapedString, array, object }
        var kind: Kind
        /// First byte of the value; for strings the byte behind the quote.
        var start: Int32
        /// The byte behind the value; for strings the closing quote. For containers the byte behind the bracket.
        var end: Int32
        /// Index of the node behind this value and everything within it. While the reader is within a container: that of the container around
        /// it, or `none`.
        var next: Int32
        /// Elements or members directly within.
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
    /// - Throws: `JSONError` with the offset of the first byte that is not as it must be.
    public init(parsing bytes: [UInt8], limits: JSONLimits = .default) throws(JSONError) {
        self.init(bytes: bytes, nodes: [])
        try read(limits)
    }

    /// Reads another text in the place of this one, in the memory that this one took. Values taken from the old text stay what they are: as
    /// long as there are any, the new text gets memory of its own.
    /// - Throws: as ``init(parsing:limits:)``; the document is `{}` then.
    public mutating func parse(_ text: some Collection<UInt8>, limits: JSONLimits = .default) throws(JSONError) {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: text)
        do throws(JSONError) { try read(limits) } catch {
            self = .emptyObject
            throw error
        }
    }

    /// Bytes of memory that the document holds on to.
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
