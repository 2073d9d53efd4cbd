/// A place in a text that knows its line and column.
struct TOMLCursor {
    private let bytes: [UInt8]
    private(set) var offset = 0
    private var line = 1
    private var column = 1

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var position: TOMLPosition { TOMLPosition(line: line, column: column) }
    var isAtEnd: Bool { offset >= bytes.count }

    /// The byte here or further on; `nil` after the end.
    func peek(_ distance: Int = 0) -> UInt8? {
        let at = offset + distance
        return at < bytes.count ? bytes[at] : nil
    }

    func isAt(_ text: StaticString, _ distance: Int = 0) -> Bool {
        text.withUTF8Buffer { text in
            for (index, byte) in text.enumerated() where peek(distance + index) != byte { return false }
            return true
        }
    }

    /// The bytes between two offsets.
    func slice(from start: Int, to end: Int) -> ArraySlice<UInt8> {
        bytes[max(0, min(start, end, bytes.count))..<max(0, min(end, bytes.count))]
    }

    /// Moves past bytes of one line.
    mutating func advance(_ count: Int = 1) {
        for _ in 0..<count {
            guard offset < bytes.count else { return }
            // A continuation byte belongs to the column of its scalar.
            if bytes[offset] & 0xC0 != 0x80 { column += 1 }
            offset += 1
        }
    }

    /// Moves past a line feed, or a carriage return and a line feed, if one is here.
    mutating func takeNewline() -> Bool {
        if peek() == TOMLByte.lineFeed {
            offset += 1
        } else if peek() == TOMLByte.carriageReturn, peek(1) == TOMLByte.lineFeed {
            offset += 2
        } else {
            return false
        }
        line += 1
        column = 1
        return true
    }

    mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        advance()
        return true
    }

    mutating func skipBlanks() { while let byte = peek(), byte == TOMLByte.space || byte == TOMLByte.tab { advance() } }

    /// Windows editors put one at the beginning. TOML 1.1 requires it to be skipped; 1.0 says nothing.
    mutating func skipByteOrderMark() { if offset == 0, peek() == 0xEF, peek(1) == 0xBB, peek(2) == 0xBF { offset = 3 } }

    func error(_ message: String, hint: String? = nil) -> TOMLError { TOMLError(position: position, message: message, hint: hint) }

    /// Refuses invalid UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF), with its position.
    func checkUTF8() throws(TOMLError) {
        var cursor = self
        while let first = cursor.peek() {
            if cursor.takeNewline() { continue }
            let length: Int
            let second: ClosedRange<UInt8>
            switch first {
            case 0x00...0x7F:
                cursor.advance()
                continue
            case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
            case 0xE0: (length, second) = (3, 0xA0...0xBF)
            case 0xED: (length, second) = (3, 0x80...0x9F)
            case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
            case 0xF0: (length, second) = (4, 0x90...0xBF)
            case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
            case 0xF4: (length, second) = (4, 0x80...0x8F)
            default: throw cursor.error("the text is not UTF-8")
            }
            for index in 1..<length {
                guard let byte = cursor.peek(index), (index == 1 ? second : 0x80...0xBF).contains(byte) else {
                    throw cursor.error("the text is not UTF-8")
                }
            }
            cursor.advance(length)
        }
    }
}

/// Bytes with a meaning in TOML.
enum TOMLByte {
    static let tab = UInt8(ascii: "\t")
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let space = UInt8(ascii: " ")
    static let quote = UInt8(ascii: "\"")
    static let apostrophe = UInt8(ascii: "'")
    static let backslash = UInt8(ascii: "\\")
    static let hash = UInt8(ascii: "#")
    static let comma = UInt8(ascii: ",")
    static let dot = UInt8(ascii: ".")
    static let equals = UInt8(ascii: "=")
    static let underscore = UInt8(ascii: "_")
    static let openBracket = UInt8(ascii: "[")
    static let closeBracket = UInt8(ascii: "]")
    static let openBrace = UInt8(ascii: "{")
    static let closeBrace = UInt8(ascii: "}")

    static func isDigit(_ byte: UInt8?) -> Bool { byte.map { $0 >= 0x30 && $0 <= 0x39 } ?? false }

    static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z") }

    static func isBareKey(_ byte: UInt8) -> Bool { isLetter(byte) || isDigit(byte) || byte == underscore || byte == UInt8(ascii: "-") }

    /// Control characters; only line ends and tabs are allowed.
    static func isControl(_ byte: UInt8) -> Bool { (byte < 0x20 && byte != tab) || byte == 0x7F }

    static func hexadecimal(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A")) + 10
        default: nil
        }
    }

    /// A byte for a message: itself if it is printable.
    static func name(_ byte: UInt8) -> String {
        if byte > 0x20, byte < 0x7F { return "\"\(Character(UnicodeScalar(byte)))\"" }
        switch byte {
        case space: return "a blank"
        case tab: return "a tab"
        case lineFeed: return "the end of the line"
        case carriageReturn: return "a carriage return"
        case 0x80...: return "a character that is not ASCII"
        default: return "the control character 0x" + (byte < 0x10 ? "0" : "") + String(byte, radix: 16)
        }
    }
}
