/// A JSON text (RFC 8259) that was read strictly: valid UTF-8, no duplicate member after unescaping, bounded depth, nothing behind it.
///
/// The text is kept as it came, with one flat list of nodes beside it: reading allocates twice, whatever the text holds.
public struct JSONDocument: Sendable {
    struct Node: Sendable {
        enum Kind: UInt8, Sendable { case null, `true`, `false`, integer, number, string, escapedString, array, object }
        var kind: Kind
        /// First byte of the value; for strings the byte behind the quote.
        var start: Int32
        /// The byte behind the value; for strings the closing quote. For containers the byte behind the bracket.
        var end: Int32
        /// Index of the node behind this value and everything within it.
        var next: Int32
        /// Elements or members directly within.
        var count: Int32
    }

    let bytes: [UInt8]
    let nodes: [Node]

    /// Reads a whole text.
    /// - Throws: `JSONError` with the offset of the first byte that is not as it must be.
    public init(parsing bytes: [UInt8], limits: JSONLimits = .default) throws(JSONError) {
        guard bytes.count < Int(Int32.max) else { throw JSONError(.tooLarge, offset: 0) }
        var parser = JSONParser(limits: limits)
        var failure: JSONError?
        bytes.withUnsafeBufferPointer { buffer in
            do throws(JSONError) { try parser.parse(buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        self.bytes = bytes
        self.nodes = parser.nodes
    }

    /// The outermost value.
    public var root: JSONValue { JSONValue(document: self, index: 0) }
}
