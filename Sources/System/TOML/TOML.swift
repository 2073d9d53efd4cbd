/// A reader of TOML 1.0.0 (https://toml.io/en/v1.0.0): strict, over bytes, of bounded size and depth. Whatever the specification does not let
/// pass is an error with its line and column; nothing is guessed and nothing is mended.
public enum TOML {
    /// Reads a document.
    /// - Throws: `TOMLError` for the first mistake in the text.
    public static func parse(_ bytes: [UInt8], limits: TOMLLimits = TOMLLimits()) throws(TOMLError) -> TOMLTable {
        guard bytes.count <= limits.size else {
            throw TOMLError(position: TOMLPosition(line: 1, column: 1), message: "the text is larger than \(limits.size) bytes")
        }
        var cursor = TOMLCursor(bytes)
        try cursor.checkUTF8()
        cursor.skipByteOrderMark()
        var parser = TOMLParser(cursor: cursor, tree: TOMLTree(depthLimit: limits.depth))
        try parser.parseDocument()
        return parser.tree.table(TOMLTree.root)
    }
}
