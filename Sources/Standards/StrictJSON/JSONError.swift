/// Why the strict reader refused a text, and where.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kinds of refusal; raw values are stable and may be logged.
    public enum Reason: String, Sendable {
        case endOfInput, unexpectedByte, trailingBytes
        case invalidUTF8, invalidEscape, loneSurrogate, controlCharacter, nulCharacter
        case invalidNumber, integerOutOfRange
        case tooDeep, tooManyValues, tooLarge, duplicateMember
        case missingMember, unknownMember, wrongType, invalidValue

        /// For people.
        var words: String {
            switch self {
            case .endOfInput: "the text ends too early"
            case .unexpectedByte: "an unexpected character"
            case .trailingBytes: "text after the end"
            case .invalidUTF8: "not UTF-8"
            case .invalidEscape: "an invalid escape sequence"
            case .loneSurrogate: "a lone surrogate"
            case .controlCharacter: "a control character"
            case .nulCharacter: "a NUL character"
            case .invalidNumber: "not a valid JSON number"
            case .integerOutOfRange: "a number out of range"
            case .tooDeep: "nested too deeply"
            case .tooManyValues: "too many values"
            case .tooLarge: "too large"
            case .duplicateMember: "a duplicate member"
            case .missingMember: "a member is missing"
            case .unknownMember: "an unknown member"
            case .wrongType: "a value of the wrong type"
            case .invalidValue: "an invalid value"
            }
        }
    }

    public var reason: Reason
    /// Offset in bytes from the start of the text.
    public var offset: Int
    /// The member concerned, if any; printable, at most 64 bytes.
    public var member: String?

    public init(_ reason: Reason, offset: Int, member: String? = nil) {
        self.reason = reason
        self.offset = offset
        self.member = member
    }

    public var description: String {
        let place = member.map { " (member \"\($0)\")" } ?? ""
        return "\(reason.words), at byte \(offset)\(place)"
    }
}

/// Limits on what the reader accepts. Each exists because the reader runs in a privileged process.
public struct JSONLimits: Sendable {
    /// Nesting depth of containers. 8 is deeper than any message of the agent. The reader does not recurse in any case.
    public var depth: Int
    /// Half the number of values and members' names in one text. Bounds the memory that a text can take: 20 bytes for
    /// each of them.
    public var values: Int
    /// Whether a string may contain U+0000. Off by default, since C code would cut such a string short.
    public var allowsNUL: Bool

    public init(depth: Int = 8, values: Int = 65_536, allowsNUL: Bool = false) {
        self.depth = depth
        self.values = values
        self.allowsNUL = allowsNUL
    }

    public static let `default` = JSONLimits()
}
