/// The grammar's lines, keys, arrays and inline tables.
struct TOMLParser {
    var cursor: TOMLCursor
    var tree: TOMLTree

    init(cursor: TOMLCursor, tree: TOMLTree) {
        self.cursor = cursor
        self.tree = tree
    }

    /// `toml = expression *( newline expression )`
    mutating func parseDocument() throws(TOMLError) {
        var table = TOMLTree.root
        while !cursor.isAtEnd {
            cursor.skipBlanks()
            switch cursor.peek() {
            case TOMLByte.openBracket: table = try parseHeader()
            case TOMLByte.hash, TOMLByte.lineFeed, TOMLByte.carriageReturn, nil: break
            default: try parseKeyValue(into: table)
            }
            try finishLine()
        }
    }

    /// Blanks, a comment, and the end of the line or the text.
    private mutating func finishLine() throws(TOMLError) {
        cursor.skipBlanks()
        try skipComment()
        guard !cursor.isAtEnd, !cursor.takeNewline() else { return }
        throw cursor.error("expected the end of the line, found \(found)")
    }

    private mutating func skipComment() throws(TOMLError) {
        guard cursor.peek() == TOMLByte.hash else { return }
        while let byte = cursor.peek(), !isNewline {
            guard !TOMLByte.isControl(byte) else { throw cursor.error("a comment cannot contain \(TOMLByte.name(byte))") }
            cursor.advance()
        }
    }

    private var isNewline: Bool {
        cursor.peek() == TOMLByte.lineFeed || (cursor.peek() == TOMLByte.carriageReturn && cursor.peek(1) == TOMLByte.lineFeed)
    }

    /// What is here, for a message.
    var found: String { cursor.peek().map { TOMLByte.name($0) } ?? "the end of the text" }

    /// `[a.b]` or `[[a.b]]`: the table that the following lines belong to.
    private mutating func parseHeader() throws(TOMLError) -> Int {
        let position = cursor.position
        let isArray = cursor.isAt("[[")
        cursor.advance(isArray ? 2 : 1)
        cursor.skipBlanks()
        let path = try parseKey()
        guard cursor.take(TOMLByte.closeBracket), !isArray || cursor.take(TOMLByte.closeBracket) else {
            throw cursor.error("expected \(isArray ? "]]" : "]") to close the header, found \(found)")
        }
        return isArray ? try tree.openElement(path, at: position) : try tree.open(path, at: position)
    }

    private mutating func parseKeyValue(into table: Int) throws(TOMLError) {
        let path = try parseKey()
        guard cursor.take(TOMLByte.equals) else {
            throw cursor.error("expected = after the key, found \(found)", hint: "write a setting as: key = value")
        }
        cursor.skipBlanks()
        guard let key = path.last else { return }
        let place = try tree.place(for: path, from: table)
        let position = cursor.position
        tree.add(try parseValue(depth: tree.depth(of: place) + 1), at: position, under: key, to: place)
    }

    /// `simple-key *( "." simple-key )`, and the blanks after it.
    private mutating func parseKey() throws(TOMLError) -> [TOMLKey] {
        var path: [TOMLKey] = []
        repeat {
            cursor.skipBlanks()
            let position = cursor.position
            // Each part but the last may become a table.
            try tree.checkDepth(path.count, at: position)
            path.append(TOMLKey(bytes: try parseSimpleKey(), position: position))
            cursor.skipBlanks()
        } while cursor.take(TOMLByte.dot)
        return path
    }

    private mutating func parseSimpleKey() throws(TOMLError) -> [UInt8] {
        switch cursor.peek() {
        case TOMLByte.quote: return try parseBasicString()
        case TOMLByte.apostrophe: return try parseLiteralString()
        default:
            let start = cursor.offset
            while let byte = cursor.peek(), TOMLByte.isBareKey(byte) { cursor.advance() }
            guard cursor.offset > start else {
                throw cursor.error(
                    "expected a key, found \(found)",
                    hint: "a key without quotes has only letters (a to z), digits, _ and -")
            }
            return Array(cursor.slice(from: start, to: cursor.offset))
        }
    }

    // MARK: Values

    /// - Parameter depth: the depth of a table or array that may begin here.
    mutating func parseValue(depth: Int) throws(TOMLError) -> TOMLTree.Slot {
        switch cursor.peek() {
        case TOMLByte.quote: .scalar(.string(text(cursor.isAt("\"\"\"") ? try parseMultilineBasicString() : try parseBasicString())))
        case TOMLByte.apostrophe: .scalar(.string(text(cursor.isAt("'''") ? try parseMultilineLiteralString() : try parseLiteralString())))
        case TOMLByte.openBracket: try parseArray(depth: depth)
        case TOMLByte.openBrace: try parseInlineTable(depth: depth)
        default: .scalar(try parseScalar())
        }
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// Blanks, comments and line ends between an array's values.
    private mutating func skipBetweenValues() throws(TOMLError) {
        repeat {
            cursor.skipBlanks()
            try skipComment()
        } while cursor.takeNewline()
    }

    private mutating func parseArray(depth: Int) throws(TOMLError) -> TOMLTree.Slot {
        let start = cursor.position
        try tree.checkDepth(depth, at: start)
        cursor.advance()
        var elements: [(slot: TOMLTree.Slot, position: TOMLPosition)] = []
        while true {
            try skipBetweenValues()
            if cursor.take(TOMLByte.closeBracket) { break }
            guard !cursor.isAtEnd else { throw unclosed("array", start) }
            let position = cursor.position
            elements.append((try parseValue(depth: depth + 1), position))
            try skipBetweenValues()
            if cursor.take(TOMLByte.comma) { continue }
            if cursor.take(TOMLByte.closeBracket) { break }
            throw cursor.isAtEnd
                ? unclosed("array", start) : cursor.error("expected , or ] after a value in an array, found \(found)")
        }
        return .array(elements)
    }

    private mutating func parseInlineTable(depth: Int) throws(TOMLError) -> TOMLTree.Slot {
        let start = cursor.position
        let table = try tree.makeTable(.inline, at: start, depth: depth)
        cursor.advance()
        cursor.skipBlanks()
        if cursor.take(TOMLByte.closeBrace) { return .table(table) }
        while true {
            guard !cursor.isAtEnd else { throw unclosed("inline table", start) }
            guard !isNewline else {
                throw cursor.error("an inline table must be on one line", hint: "write it as [table] with one line for each key")
            }
            try parseKeyValue(into: table)
            cursor.skipBlanks()
            if cursor.take(TOMLByte.closeBrace) { return .table(table) }
            let comma = cursor.position
            guard cursor.take(TOMLByte.comma) else {
                guard !cursor.isAtEnd else { throw unclosed("inline table", start) }
                throw cursor.error("expected , or } after a value in an inline table, found \(found)")
            }
            cursor.skipBlanks()
            guard cursor.peek() != TOMLByte.closeBrace else {
                throw TOMLError(position: comma, message: "an inline table must not have a comma after its last value", hint: nil)
            }
        }
    }

    private func unclosed(_ what: String, _ start: TOMLPosition) -> TOMLError {
        cursor.error("the text ends inside an \(what)", hint: "it begins at line \(start.line), column \(start.column)")
    }
}
