/// The reader's state machine: no recursion, no Foundation, one pass.
struct JSONParser {
    typealias Node = JSONDocument.Node

    let limits: JSONLimits
    private var nodes: [Node] = []
    /// The innermost open container. Its node holds the index of the one around it, so no separate stack is needed.
    private var open = Node.none
    private var depth = 0

    init(limits: JSONLimits) { self.limits = limits }

    /// Reads a whole text.
    /// - Parameter result: receives the nodes; its memory is reused.
    mutating func parse(_ text: UnsafeBufferPointer<UInt8>, into result: inout [Node]) throws(JSONError) {
        // Owned by the parser alone while it works on them; a second reference would cause a copy.
        swap(&nodes, &result)
        defer { swap(&nodes, &result) }
        nodes.removeAll(keepingCapacity: true)
        nodes.reserveCapacity(32)
        var at = 0
        skipSpace(text, &at)
        var expectsValue = true
        repeat {
            if expectsValue {
                // In an object a value is preceded by its name and a colon.
                if isInObject {
                    try parseName(text, &at)
                    skipSpace(text, &at)
                    guard at < text.count else { throw JSONError(.endOfInput, offset: at) }
                    guard text[at] == UInt8(ascii: ":") else { throw JSONError(.unexpectedByte, offset: at) }
                    at += 1
                    skipSpace(text, &at)
                }
                if open >= 0 { nodes[open].count += 1 }
                guard at < text.count else { throw JSONError(.endOfInput, offset: at) }
                let byte = text[at]
                if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                    let isObject = byte == UInt8(ascii: "{")
                    guard depth < limits.depth else { throw JSONError(.tooDeep, offset: at) }
                    try append(Node(kind: isObject ? .object : .array, start: Int32(at), end: 0, next: Int32(open), count: 0), at)
                    open = nodes.count - 1
                    depth += 1
                    at += 1
                    skipSpace(text, &at)
                    guard at < text.count else { throw JSONError(.endOfInput, offset: at) }
                    if text[at] == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                        expectsValue = false
                    }
                    continue
                }
                try parseScalar(text, &at)
                expectsValue = false
            }
            skipSpace(text, &at)
            guard open >= 0 else { break }
            guard at < text.count else { throw JSONError(.endOfInput, offset: at) }
            let byte = text[at]
            if byte == UInt8(ascii: ",") {
                guard nodes[open].count > 0 else { throw JSONError(.unexpectedByte, offset: at) }
                at += 1
                skipSpace(text, &at)
                expectsValue = true
            } else if byte == (isInObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                at += 1
                try close(text, at)
            } else {
                throw JSONError(.unexpectedByte, offset: at)
            }
        } while open >= 0 || expectsValue
        skipSpace(text, &at)
        guard at == text.count else { throw JSONError(.trailingBytes, offset: at) }
    }

    private var isInObject: Bool { open >= 0 && nodes[open].kind == .object }

    /// Closes the innermost container at its bracket.
    private mutating func close(_ text: UnsafeBufferPointer<UInt8>, _ end: Int) throws(JSONError) {
        let closed = open
        open = Int(nodes[closed].next)
        depth -= 1
        nodes[closed].end = Int32(end)
        nodes[closed].next = Int32(nodes.count)
        if nodes[closed].kind == .object { try refuseDuplicates(text, in: closed) }
    }

    private mutating func append(_ node: Node, _ offset: Int) throws(JSONError) {
        guard nodes.count < limits.values &* 2 else { throw JSONError(.tooManyValues, offset: offset) }
        nodes.append(node)
    }

    private func skipSpace(_ text: UnsafeBufferPointer<UInt8>, _ at: inout Int) {
        while at < text.count, text[at] == 0x20 || text[at] == 0x0A || text[at] == 0x0D || text[at] == 0x09 { at += 1 }
    }

    private mutating func parseName(_ text: UnsafeBufferPointer<UInt8>, _ at: inout Int) throws(JSONError) {
        guard at < text.count else { throw JSONError(.endOfInput, offset: at) }
        guard text[at] == UInt8(ascii: "\"") else { throw JSONError(.unexpectedByte, offset: at) }
        try parseString(text, &at)
    }

    private mutating func parseScalar(_ text: UnsafeBufferPointer<UInt8>, _ at: inout Int) throws(JSONError) {
        switch text[at] {
        case UInt8(ascii: "\""): try parseString(text, &at)
        case UInt8(ascii: "t"): try parseWord("true", .true, text, &at)
        case UInt8(ascii: "f"): try parseWord("false", .false, text, &at)
        case UInt8(ascii: "n"): try parseWord("null", .null, text, &at)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try parseNumber(text, &at)
        default: throw JSONError(.unexpectedByte, offset: at)
        }
    }

    private mutating func parseWord(_ word: StaticString, _ kind: Node.Kind, _ text: UnsafeBufferPointer<UInt8>, _ at: inout Int)
        throws(JSONError)
    {
        let start = at
        for offset in 0..<word.utf8CodeUnitCount {
            guard at < text.count else { throw JSONError(.endOfInput, offset: at) }
            guard text[at] == word.utf8Start[offset] else { throw JSONError(.unexpectedByte, offset: at) }
            at += 1
        }
        try append(Node(kind: kind, start: Int32(start), end: Int32(at), next: Int32(nodes.count + 1), count: 0), start)
    }

    /// RFC 8259 §6: no leading zero, no plus sign, digits on both sides of the point.
    private mutating func parseNumber(_ text: UnsafeBufferPointer<UInt8>, _ at: inout Int) throws(JSONError) {
        let start = at
        var kind = Node.Kind.integer
        if text[at] == UInt8(ascii: "-") { at += 1 }
        func digits(_ at: inout Int) throws(JSONError) {
            guard at < text.count else { throw JSONError(.endOfInput, offset: at) }
            guard isDigit(text[at]) else { throw JSONError(.invalidNumber, offset: at) }
            while at < text.count, isDigit(text[at]) { at += 1 }
        }
        if at < text.count, text[at] == UInt8(ascii: "0") {
            at += 1
            if at < text.count, isDigit(text[at]) { throw JSONError(.invalidNumber, offset: at) }
        } else {
            try digits(&at)
        }
        if at < text.count, text[at] == UInt8(ascii: ".") {
            kind = .number
            at += 1
            try digits(&at)
        }
        if at < text.count, text[at] | 0x20 == UInt8(ascii: "e") {
            kind = .number
            at += 1
            if at < text.count, text[at] == UInt8(ascii: "+") || text[at] == UInt8(ascii: "-") { at += 1 }
            try digits(&at)
        }
        try append(Node(kind: kind, start: Int32(start), end: Int32(at), next: Int32(nodes.count + 1), count: 0), start)
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private mutating func parseString(_ text: UnsafeBufferPointer<UInt8>, _ at: inout Int) throws(JSONError) {
        at += 1
        let start = at
        var kind = Node.Kind.string
        while true {
            while at < text.count, isPlain(text[at]) { at += 1 }
            guard at < text.count else { throw JSONError(.endOfInput, offset: at) }
            let byte = text[at]
            switch byte {
            case UInt8(ascii: "\""):
                try append(Node(kind: kind, start: Int32(start), end: Int32(at), next: Int32(nodes.count + 1), count: 0), start)
                at += 1
                return
            case UInt8(ascii: "\\"):
                kind = .escapedString
                try checkEscape(text, &at)
            case 0..<0x20: throw JSONError(.controlCharacter, offset: at)
            default:
                let length = UTF8Scalar.length(in: text, at: at)
                guard length > 0 else { throw JSONError(.invalidUTF8, offset: at) }
                at += length
            }
        }
    }

    /// ASCII that stands for itself in a string.
    private func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// Checks one escape (RFC 8259 §7) and moves past it; surrogates must come in pairs.
    private func checkEscape(_ text: UnsafeBufferPointer<UInt8>, _ at: inout Int) throws(JSONError) {
        guard at + 1 < text.count else { throw JSONError(.endOfInput, offset: at) }
        switch text[at + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            at += 2
        case UInt8(ascii: "u"):
            let unit = try JSONParser.hexUnit(text, at + 2)
            if unit == 0, !limits.allowsNUL { throw JSONError(.nulCharacter, offset: at) }
            if unit & 0xFC00 == 0xDC00 { throw JSONError(.loneSurrogate, offset: at) }
            if unit & 0xFC00 == 0xD800 {
                guard at + 7 < text.count, text[at + 6] == UInt8(ascii: "\\"), text[at + 7] == UInt8(ascii: "u") else {
                    throw JSONError(.loneSurrogate, offset: at)
                }
                let low = try JSONParser.hexUnit(text, at + 8)
                guard low & 0xFC00 == 0xDC00 else { throw JSONError(.loneSurrogate, offset: at) }
                at += 12
            } else {
                at += 6
            }
        default: throw JSONError(.invalidEscape, offset: at)
        }
    }

    static func hexUnit(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) throws(JSONError) -> UInt32 {
        guard start + 4 <= text.count else { throw JSONError(.endOfInput, offset: text.count) }
        var unit: UInt32 = 0
        for offset in start..<(start + 4) {
            let byte = text[offset]
            let digit: UInt32
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt32(byte) - 0x30
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = UInt32(byte) - 0x57
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = UInt32(byte) - 0x37
            default: throw JSONError(.invalidEscape, offset: offset)
            }
            unit = unit << 4 | digit
        }
        return unit
    }

    /// Refuses two members with the same name, compared as bytes after unescaping. A few members are compared pair by
    /// pair; many are sorted, so that a large object cannot take quadratic time.
    private func refuseDuplicates(_ text: UnsafeBufferPointer<UInt8>, in object: Int) throws(JSONError) {
        let count = Int(nodes[object].count)
        guard count > 1 else { return }
        let first = object + 1
        if count <= JSONParser.membersCompared, hasPlainNames(object) {
            var later = first
            for index in 1..<count {
                later = member(after: later)
                var earlier = first
                for _ in 0..<index {
                    if equalPlain(text, earlier, later) { throw duplicate(text, later) }
                    earlier = member(after: earlier)
                }
            }
            return
        }
        var names: [Int] = []
        names.reserveCapacity(count)
        var index = first
        for _ in 0..<count {
            names.append(index)
            index = member(after: index)
        }
        let unescaped = names.map { (Array(JSONDocument.unescape(text, nodes[$0])), $0) }
        let sorted = unescaped.sorted { $0.0.lexicographicallyPrecedes($1.0) }
        for (one, other) in zip(sorted, sorted.dropFirst()) where one.0 == other.0 {
            throw duplicate(text, max(one.1, other.1))
        }
    }

    /// Objects with more members than this are sorted.
    private static let membersCompared = 16

    private func member(after name: Int) -> Int { Int(nodes[name + 1].next) }

    private func hasPlainNames(_ object: Int) -> Bool {
        var name = object + 1
        for _ in 0..<nodes[object].count {
            if nodes[name].kind != .string { return false }
            name = member(after: name)
        }
        return true
    }

    private func equalPlain(_ text: UnsafeBufferPointer<UInt8>, _ one: Int, _ other: Int) -> Bool {
        let a = nodes[one], b = nodes[other]
        guard a.end - a.start == b.end - b.start else { return false }
        var i = Int(a.start), j = Int(b.start)
        while i < Int(a.end) {
            if text[i] != text[j] { return false }
            i += 1
            j += 1
        }
        return true
    }

    private func duplicate(_ text: UnsafeBufferPointer<UInt8>, _ name: Int) -> JSONError {
        JSONError(
            .duplicateMember, offset: Int(nodes[name].start),
            member: JSONDocument.printable(JSONDocument.unescape(text, nodes[name])))
    }
}

/// Well-formed UTF-8 (Unicode 15, table 3-7): no overlong form, no surrogate, nothing over U+10FFFF.
enum UTF8Scalar {
    /// Length in bytes of the scalar that starts at `at` with a byte of 0x80 or more; 0 if it is malformed.
    static func length(in text: UnsafeBufferPointer<UInt8>, at: Int) -> Int {
        let first = text[at]
        func continuation(_ offset: Int, _ low: UInt8 = 0x80, _ high: UInt8 = 0xBF) -> Bool {
            at + offset < text.count && text[at + offset] >= low && text[at + offset] <= high
        }
        switch first {
        case 0xC2...0xDF: return continuation(1) ? 2 : 0
        case 0xE0: return continuation(1, 0xA0) && continuation(2) ? 3 : 0
        case 0xED: return continuation(1, 0x80, 0x9F) && continuation(2) ? 3 : 0
        case 0xE1...0xEC, 0xEE...0xEF: return continuation(1) && continuation(2) ? 3 : 0
        case 0xF0: return continuation(1, 0x90) && continuation(2) && continuation(3) ? 4 : 0
        case 0xF1...0xF3: return continuation(1) && continuation(2) && continuation(3) ? 4 : 0
        case 0xF4: return continuation(1, 0x80, 0x8F) && continuation(2) && continuation(3) ? 4 : 0
        default: return 0
        }
    }
}

extension JSONDocument {
    /// The content of a string that has been checked.
    static func unescape(_ text: UnsafeBufferPointer<UInt8>, _ node: Node) -> [UInt8] {
        let start = Int(node.start), end = Int(node.end)
        if node.kind == .string { return Array(text[start..<end]) }
        var result: [UInt8] = []
        result.reserveCapacity(end - start)
        var at = start
        while at < end {
            let byte = text[at]
            guard byte == UInt8(ascii: "\\"), at + 1 < end else {
                result.append(byte)
                at += 1
                continue
            }
            let escape = text[at + 1]
            at += 2
            switch escape {
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "u"):
                var scalar = (try? JSONParser.hexUnit(text, at)) ?? 0xFFFD
                at += 4
                if scalar & 0xFC00 == 0xD800 {
                    let low = (try? JSONParser.hexUnit(text, at + 2)) ?? 0xDC00
                    at += 6
                    scalar = 0x10000 + ((scalar & 0x3FF) << 10 | (low & 0x3FF))
                }
                if let unicode = Unicode.Scalar(scalar) { result.append(contentsOf: String(unicode).utf8) }
            default: result.append(escape)
            }
        }
        return result
    }

    /// A name made safe for a log: printable ASCII without blanks, quotes and backslashes, at most 64 bytes.
    static func printable(_ bytes: [UInt8]) -> String {
        var result = ""
        for byte in bytes.prefix(64) {
            result.unicodeScalars.append(byte > 0x20 && byte < 0x7F && byte != 0x22 && byte != 0x5C ? Unicode.Scalar(byte) : "?")
        }
        return result
    }
}
