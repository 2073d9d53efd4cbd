/// A JSON text (RFC 8259) as a value. Numbers are kept as they are written.
indirect enum JSON: Equatable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSON])
    case object([Member])

    struct Member {
        var name: String
        var value: JSON
    }

    /// An object without the members that are `nil`.
    static func members(_ members: [(String, JSON?)]) -> JSON {
        .object(members.compactMap { name, value in value.map { Member(name: name, value: $0) } })
    }

    static func strings(_ strings: [String]) -> JSON { .array(strings.map { .string($0) }) }

    /// Members in any order are the same object.
    static func == (left: JSON, right: JSON) -> Bool {
        switch (left, right) {
        case (.null, .null): return true
        case (.bool(let left), .bool(let right)): return left == right
        case (.number(let left), .number(let right)): return left == right
        case (.string(let left), .string(let right)): return Array(left.utf8) == Array(right.utf8)
        case (.array(let left), .array(let right)): return left == right
        case (.object(let left), .object(let right)):
            guard left.count == right.count else { return false }
            return left.allSatisfy { member in
                right.contains { Array($0.name.utf8) == Array(member.name.utf8) && $0.value == member.value }
            }
        default: return false
        }
    }

    /// A member that is there and not null.
    subscript(_ name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        for member in members where member.name == name && member.value != .null { return member.value }
        return nil
    }

    var string: String? { if case .string(let text) = self { text } else { nil } }
    var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    var array: [JSON]? { if case .array(let elements) = self { elements } else { nil } }
    var int: Int? { if case .number(let text) = self { Int(text) } else { nil } }
    var names: [String] { if case .object(let members) = self { members.map(\.name) } else { [] } }

    /// - Returns: The object with a member replaced, added, or, with `nil`, removed.
    func with(_ name: String, _ value: JSON?) -> JSON {
        guard case .object(var members) = self else { return self }
        if let place = members.firstIndex(where: { $0.name == name }) {
            if let value { members[place].value = value } else { members.remove(at: place) }
        } else if let value {
            members.append(Member(name: name, value: value))
        }
        return .object(members)
    }

    /// - Parameter isEscaped: Whether every character of a string is written as `\uXXXX`.
    func text(isEscaped: Bool = false) -> String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let text): text
        case .string(let text): JSON.quoted(text, isEscaped)
        case .array(let elements): "[" + elements.map { $0.text(isEscaped: isEscaped) }.joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { JSON.quoted($0.name, isEscaped) + ":" + $0.value.text(isEscaped: isEscaped) }.joined(separator: ",") + "}"
        }
    }

    private static func quoted(_ text: String, _ isEscaped: Bool) -> String {
        var result = "\""
        for unit in text.unicodeScalars {
            switch unit {
            case "\"" where !isEscaped: result += "\\\""
            case "\\" where !isEscaped: result += "\\\\"
            case _ where isEscaped || unit.value < 0x20:
                for half in String(unit).utf16 {
                    let digits = String(half, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            default: result.unicodeScalars.append(unit)
            }
        }
        return result + "\""
    }
}
