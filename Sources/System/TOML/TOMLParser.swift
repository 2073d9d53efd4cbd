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

    /// Blanks, a comment, and the line's end or the text's.
    private mutating func finishLine() throws(TOMLError) {
        cursor.skipBlanks()
        try skipComment()
        guard !cursor.isAtEnd, !cursor.takeNewline() else { return }
        throw cursor.error("the line should end here, and goes on with \(found)")
    }

    private mutating func skipComment() throws(TOMLError) {
        guard cursor.peek() == TOMLByte.hash else { return }
        while let byte = cursor.peek(), !isNewline {
            guard !TOMLByte.isControl(byte) else { throw cursor.error("a comment cannot hold \(TOMLByte.name(byte))") }
            cursor.advance()
        }
    }

    private var isNewline: Bool {
        cursor.peek() == TOMLByte.lineFeed || (cursor.peek() == TOMLByte.carriageReturn && cursor.peek(1) == TOMLByte.lineFeed)
    }

    /// What stands here, for a message.
    var found: String { cursor.peek().map { TOMLByte.name($0) } ?? "the end of the text" }

    /// `[a.b]` or `[[a.b]]`: the table that the lines after it belong to.
    private mutating func parseHeader() throws(TOMLError) -> Int {
        let position = cursor.position
        let isArray = cursor.isAt("[[")
        cursor.advance(isArray ? 2 : 1)
        cursor.skipBlanks()
        let path = try parseKey()
        guard cursor.take(TOMLByte.closeBracket), !isArray || cursor.take(TOMLByte.closeBracket) else {
            throw cursor.error("the header should be closed with \(isArray ? "]]" : "]") here, and goes on with \(found)")
        }
        return isArray ? try tree.openElement(path, at: position) : try tree.open(path, at: position)
    }

    private mutating func parseKeyValue(into table: Int) throws(TOMLError) {
        let path = try parseKey()
        guard cursor.take(TOMLByte.equals) else {
            throw cursor.error("after the key there should be =, and there is \(found)", hint: "a setting is written as: key = value")
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
                    "a key should be here, and there is \(found)",
                    hint: "a key without quotes is made of letters (a to z), digits, _ and -")
            }
            return Array(cursor.slice(from: start, to: cursor.offset))
        }
    }

    // MARK: Values

    /// - Parameter depth: of a table or array that may begin here.
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
                ? unclosed("array", start) : cursor.error("after a value in an array there should be , or ], and there is \(found)")
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
                throw cursor.error("an inline table stands in one line", hint: "write it as [table] with a line for each key")
            }
            try parseKeyValue(into: table)
            cursor.skipBlanks()
            if cursor.take(TOMLByte.closeBrace) { return .table(table) }
            let comma = cursor.position
            guard cursor.take(TOMLByte.comma) else {
                guard !cursor.isAtEnd else { throw unclosed("inline table", start) }
                throw cursor.error("after a value in an inline table there should be , or }, and there is \(found)")
            }
            cursor.skipBlanks()
            guard cursor.peek() != TOMLByte.closeBrace else {
                throw TOMLError(position: comma, message: "an inline table has no comma after its last value", hint: nil)
            }
        }
    }

    private func unclosed(_ what: String, _ start: TOMLPosition) -> TOMLError {
        cursor.error("the text ends inside an \(what)", hint: "it begins in line \(start.line), column \(start.column)")
    }
}
