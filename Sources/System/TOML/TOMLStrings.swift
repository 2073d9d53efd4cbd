/// The four kinds of strings. Each begins at its first quotation mark and ends after its last.
extension TOMLParser {
    private func unclosed(_ start: TOMLPosition, _ mark: String) -> TOMLError {
        TOMLError(position: start, message: "the string that begins here is not closed", hint: "it ends with \(mark)")
    }

    /// A byte that a string on one line cannot contain unescaped.
    private func refused(_ byte: UInt8) -> TOMLError {
        cursor.error(
            "a string cannot contain \(TOMLByte.name(byte))",
            hint: "write it as an escape, such as \\u00\(byte < 0x10 ? "0" : "")\(String(byte, radix: 16))")
    }

    mutating func parseBasicString() throws(TOMLError) -> [UInt8] {
        let start = cursor.position
        cursor.advance()
        var content: [UInt8] = []
        while let byte = cursor.peek() {
            switch byte {
            case TOMLByte.quote:
                cursor.advance()
                return content
            case TOMLByte.backslash: try parseEscape(into: &content)
            case TOMLByte.lineFeed,
                TOMLByte.carriageReturn where cursor.peek(1) == TOMLByte.lineFeed:
                throw unclosed(start, "\"")
            case _ where TOMLByte.isControl(byte): throw refused(byte)
            default:
                content.append(byte)
                cursor.advance()
            }
        }
        throw unclosed(start, "\"")
    }

    mutating func parseLiteralString() throws(TOMLError) -> [UInt8] {
        let start = cursor.position
        cursor.advance()
        let from = cursor.offset
        while let byte = cursor.peek() {
            switch byte {
            case TOMLByte.apostrophe:
                let content = Array(cursor.slice(from: from, to: cursor.offset))
                cursor.advance()
                return content
            case TOMLByte.lineFeed,
                TOMLByte.carriageReturn where cursor.peek(1) == TOMLByte.lineFeed:
                throw unclosed(start, "'")
            case _ where TOMLByte.isControl(byte):
                throw cursor.error("a string cannot contain \(TOMLByte.name(byte))", hint: "in double quotes, write it as an escape")
            default: cursor.advance()
            }
        }
        throw unclosed(start, "'")
    }

    mutating func parseMultilineBasicString() throws(TOMLError) -> [UInt8] {
        let start = cursor.position
        cursor.advance(3)
        // A line end right after the opening marks is dropped.
        _ = cursor.takeNewline()
        var content: [UInt8] = []
        while let byte = cursor.peek() {
            switch byte {
            case TOMLByte.quote: if try takeClosing(TOMLByte.quote, into: &content) { return content }
            case TOMLByte.backslash: if !skipEscapedLineEnd() { try parseEscape(into: &content) }
            default: try takeMultilineByte(byte, into: &content)
            }
        }
        throw unclosed(start, "\"\"\"")
    }

    mutating func parseMultilineLiteralString() throws(TOMLError) -> [UInt8] {
        let start = cursor.position
        cursor.advance(3)
        _ = cursor.takeNewline()
        var content: [UInt8] = []
        while let byte = cursor.peek() {
            if byte == TOMLByte.apostrophe {
                if try takeClosing(TOMLByte.apostrophe, into: &content) { return content }
            } else {
                try takeMultilineByte(byte, into: &content)
            }
        }
        throw unclosed(start, "'''")
    }

    private mutating func takeMultilineByte(_ byte: UInt8, into content: inout [UInt8]) throws(TOMLError) {
        if cursor.takeNewline() {
            // Both kinds of line end become a line feed in the value.
            content.append(TOMLByte.lineFeed)
            return
        }
        guard !TOMLByte.isControl(byte) else { throw refused(byte) }
        content.append(byte)
        cursor.advance()
    }

    /// Marks in a multi-line string: up to two are content, three close it, and up to two more before those are
    /// content.
    private mutating func takeClosing(_ mark: UInt8, into content: inout [UInt8]) throws(TOMLError) -> Bool {
        var count = 0
        while count < 6, cursor.peek(count) == mark { count += 1 }
        guard count < 6 else {
            cursor.advance(5)
            throw cursor.error("there are too many quotation marks in a row", hint: "three of them close a multi-line string")
        }
        cursor.advance(count)
        content.append(contentsOf: repeatElement(mark, count: count < 3 ? count : count - 3))
        return count >= 3
    }

    /// A backslash at the end of a line also skips the line end and the blanks after it.
    private mutating func skipEscapedLineEnd() -> Bool {
        var ahead = cursor
        ahead.advance()
        ahead.skipBlanks()
        guard ahead.takeNewline() else { return false }
        repeat { ahead.skipBlanks() } while ahead.takeNewline()
        cursor = ahead
        return true
    }

    private mutating func parseEscape(into content: inout [UInt8]) throws(TOMLError) {
        let start = cursor.position
        func failure(_ message: String) -> TOMLError {
            TOMLError(
                position: start, message: message,
                hint: "escapes are \\b \\t \\n \\f \\r \\\" \\\\ \\uXXXX \\UXXXXXXXX; in single quotes a backslash is a backslash")
        }
        cursor.advance()
        let byte: UInt8
        switch cursor.peek() {
        case UInt8(ascii: "b"): byte = 0x08
        case UInt8(ascii: "t"): byte = TOMLByte.tab
        case UInt8(ascii: "n"): byte = TOMLByte.lineFeed
        case UInt8(ascii: "f"): byte = 0x0C
        case UInt8(ascii: "r"): byte = TOMLByte.carriageReturn
        case TOMLByte.quote: byte = TOMLByte.quote
        case TOMLByte.backslash: byte = TOMLByte.backslash
        case UInt8(ascii: "u"): return try parseScalarEscape(digits: 4, into: &content, failure)
        case UInt8(ascii: "U"): return try parseScalarEscape(digits: 8, into: &content, failure)
        default: throw failure("a backslash and \(found) is not an escape")
        }
        content.append(byte)
        cursor.advance()
    }

    private mutating func parseScalarEscape(
        digits: Int, into content: inout [UInt8], _ failure: (String) -> TOMLError
    ) throws(TOMLError) {
        cursor.advance()
        var number: UInt32 = 0
        for _ in 0..<digits {
            guard let digit = cursor.peek().flatMap({ TOMLByte.hexadecimal($0) }) else {
                throw failure("the escape must have \(digits) hexadecimal digits")
            }
            number = number << 4 | digit
            cursor.advance()
        }
        guard let scalar = Unicode.Scalar(number) else { throw failure("the escape is not a Unicode scalar value") }
        content.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }
}
