/// Parses the interface language, one token at a time.
struct VarlinkInterfaceParser {
    /// Nesting depth of structures. Bounds the recursion; real descriptions have one or two levels.
    static let maximumDepth = 32

    private(set) var name = ""
    private(set) var documentation = ""
    private(set) var types: [VarlinkInterface.NamedType] = []
    private(set) var methods: [VarlinkInterface.Method] = []
    private(set) var errors: [VarlinkInterface.ErrorDescription] = []

    private let text: [UInt8]
    private var at = 0
    /// The comment lines since the last token or blank line.
    private var comment: [String] = []
    private var references: [(name: String, offset: Int)] = []

    init(_ text: String) {
        self.text = Array(text.utf8)
    }

    mutating func parse() throws(VarlinkInterfaceError) {
        skipSpace()
        documentation = takeComment()
        try expectWord("interface")
        skipSpace()
        let start = at
        let bytes = takeWhile { VarlinkNameGrammar.isLetterOrDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
        guard VarlinkNameGrammar.isInterfaceName(bytes) else { throw error("an interface's name is expected", start) }
        name = String(decoding: bytes, as: UTF8.self)
        var names: Set<String> = []
        while true {
            skipSpace()
            guard at < text.count else { return }
            let documentation = takeComment()
            let keywordStart = at
            let keyword = takeWord()
            skipSpace()
            let nameStart = at
            let memberName = takeWord()
            guard ["type", "method", "error"].contains(keyword) else {
                throw error("\"type\", \"method\" or \"error\" is expected", keywordStart)
            }
            guard VarlinkNameGrammar.isMemberName(memberName.utf8) else {
                throw error("a name that begins with a capital is expected", nameStart)
            }
            guard names.insert(memberName).inserted else { throw error("\(memberName) is described twice", nameStart) }
            try parseMember(keyword, memberName, documentation)
        }
    }

    /// Checks that every type that is used is described.
    func checkReferences() throws(VarlinkInterfaceError) {
        for reference in references where !types.contains(where: { $0.name == reference.name }) {
            throw error("there is no type \(reference.name)", reference.offset)
        }
    }

    private mutating func parseMember(_ keyword: String, _ name: String, _ documentation: String) throws(VarlinkInterfaceError) {
        switch keyword {
        case "type":
            let type = try parseStructureOrEnumeration(depth: 0)
            types.append(VarlinkInterface.NamedType(name: name, documentation: documentation, type: type))
        case "method":
            let parameters = try parseFields()
            skipSpace()
            try expect("->")
            let reply = try parseFields()
            methods.append(VarlinkInterface.Method(name: name, documentation: documentation, parameters: parameters, reply: reply))
        default:
            errors.append(VarlinkInterface.ErrorDescription(name: name, documentation: documentation, parameters: try parseFields()))
        }
    }

    private mutating func parseFields() throws(VarlinkInterfaceError) -> [VarlinkField] {
        skipSpace()
        let start = at
        switch try parseStructureOrEnumeration(depth: 0) {
        case .structure(let fields): return fields
        default: throw error("fields are expected, each with its type", start)
        }
    }

    /// `(name: type, …)` or `(name, …)`; `()` is a structure.
    private mutating func parseStructureOrEnumeration(depth: Int) throws(VarlinkInterfaceError) -> VarlinkType {
        skipSpace()
        guard depth < VarlinkInterfaceParser.maximumDepth else { throw error("structures are nested too deeply", at) }
        try expect("(")
        comment = []
        var fields: [VarlinkField] = []
        var values: [String] = []
        var names: Set<String> = []
        skipSpace()
        if take(")") { return .structure([]) }
        while true {
            skipSpace()
            let documentation = takeComment()
            let start = at
            let fieldName = String(decoding: takeWhile { VarlinkNameGrammar.isLetterOrDigit($0) || $0 == UInt8(ascii: "_") }, as: UTF8.self)
            guard VarlinkNameGrammar.isFieldName(fieldName.utf8) else { throw error("a field's name is expected", start) }
            guard names.insert(fieldName).inserted else { throw error("\(fieldName) occurs twice", start) }
            skipSpace()
            let colon = at
            if take(":") {
                guard values.isEmpty else { throw error("an enumeration's values have no type", colon) }
                fields.append(VarlinkField(name: fieldName, documentation: documentation, type: try parseType(depth: depth + 1)))
            } else {
                guard fields.isEmpty else { throw error("a type is expected", colon) }
                values.append(fieldName)
            }
            skipSpace()
            if take(",") { continue }
            try expect(")")
            comment = []
            return values.isEmpty ? .structure(fields) : .enumeration(values)
        }
    }

    private mutating func parseType(depth: Int) throws(VarlinkInterfaceError) -> VarlinkType {
        guard depth < VarlinkInterfaceParser.maximumDepth else { throw error("types are nested too deeply", at) }
        skipSpace()
        if take("?") {
            let start = at
            let type = try parseType(depth: depth + 1)
            if case .nullable = type { throw error("a type can be nullable only once", start) }
            return .nullable(type)
        }
        if take("[]") { return .array(try parseType(depth: depth + 1)) }
        if take("[string]") { return .dictionary(try parseType(depth: depth + 1)) }
        if at < text.count, text[at] == UInt8(ascii: "(") { return try parseStructureOrEnumeration(depth: depth + 1) }
        let start = at
        let word = takeWord()
        switch word {
        case "bool": return .bool
        case "int": return .int
        case "float": return .float
        case "string": return .string
        case "object": return .object
        case "any": return .any
        default:
            guard VarlinkNameGrammar.isMemberName(word.utf8) else { throw error("a type is expected", start) }
            references.append((word, start))
            return .named(word)
        }
    }
}

// Tokens, space and comments.
extension VarlinkInterfaceParser {
    /// Skips space and comments, and keeps comments that are not followed by an empty line.
    private mutating func skipSpace() {
        var lineBreaks = 0
        while at < text.count {
            switch text[at] {
            case UInt8(ascii: "\n"):
                lineBreaks += 1
                if lineBreaks > 1 { comment = [] }
                at += 1
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): at += 1
            case UInt8(ascii: "#"):
                at += 1
                var line = takeWhile { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
                if line.first == UInt8(ascii: " ") { line = line.dropFirst() }
                comment.append(String(decoding: line, as: UTF8.self))
                lineBreaks = 0
            default: return
            }
        }
    }

    private mutating func takeComment() -> String {
        defer { comment = [] }
        return comment.joined(separator: "\n")
    }

    private mutating func takeWhile(_ belongs: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let rest = text[at...]
        let taken = rest.prefix(while: belongs)
        at = taken.endIndex
        return taken
    }

    private mutating func takeWord() -> String {
        String(decoding: takeWhile(VarlinkNameGrammar.isLetterOrDigit), as: UTF8.self)
    }

    private mutating func take(_ sign: String) -> Bool {
        guard text[at...].starts(with: sign.utf8) else { return false }
        at += sign.utf8.count
        return true
    }

    private mutating func expect(_ sign: String) throws(VarlinkInterfaceError) {
        guard take(sign) else { throw error("\"\(sign)\" is expected", at) }
    }

    private mutating func expectWord(_ word: String) throws(VarlinkInterfaceError) {
        let start = at
        guard takeWord() == word else { throw error("\"\(word)\" is expected", start) }
    }

    private func error(_ message: String, _ offset: Int) -> VarlinkInterfaceError {
        let before = text[..<min(offset, text.count)]
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let found = offset < text.count ? "" : ", the text ends"
        return VarlinkInterfaceError(line: line, column: before.count - lineStart + 1, message: message + found)
    }
}
