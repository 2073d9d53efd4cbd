/// Why a text was refused by the strict reader, and where.
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
            case .unexpectedByte: "a character that does not belong there"
            case .trailingBytes: "something behind the end"
            case .invalidUTF8: "not UTF-8"
            case .invalidEscape: "an escape sequence that there is not"
            case .loneSurrogate: "half of a surrogate pair"
            case .controlCharacter: "a control character"
            case .nulCharacter: "a NUL character"
            case .invalidNumber: "not a number as JSON writes it"
            case .integerOutOfRange: "a number out of range"
            case .tooDeep: "nested too deeply"
            case .tooManyValues: "too many values"
            case .tooLarge: "too large"
            case .duplicateMember: "a member that is there twice"
            case .missingMember: "a member is missing"
            case .unknownMember: "a member that is not known"
            case .wrongType: "a value of another type"
            case .invalidValue: "a value that cannot be"
            }
        }
    }

    public var reason: Reason
    /// Offset in bytes from the start of the text.
    public var offset: Int
    /// The member concerned, if one is; printable, at most 64 bytes.
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

/// Bounds on what the reader accepts. Each exists because the reader stands in a privileged process.
public struct JSONLimits: Sendable {
    /// Containers within containers. 8 is deeper than any message of the agent; the reader does not recurse all the same.
    public var depth: Int
    /// Values in one text, members' names not counted. Bounds the memory a text can ask for: 24 bytes a value.
    public var values: Int
    /// Whether a string may contain U+0000. Off by default, since such a string ends early wherever C reads it.
    public var allowsNUL: Bool

    public init(depth: Int = 8, values: Int = 65_536, allowsNUL: Bool = false) {
        self.depth = depth
        self.values = values
        self.allowsNUL = allowsNUL
    }

    public static let `default` = JSONLimits()
}
