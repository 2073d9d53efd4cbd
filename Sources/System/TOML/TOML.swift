/// A reader of TOML 1.0.0 (https://toml.io/en/v1.0.0): strict, over bytes, of bounded size and depth. Whatever the
/// specification does not allow is an error with its line and column; nothing is guessed or repaired.
public enum TOML {
    /// Parses a document.
    /// - Throws: `TOMLError` for the first error in the text.
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
