/// A position in a text: line and column, both from 1. A column is a Unicode scalar.
public struct TOMLPosition: Hashable, Sendable {
    public var line: Int
    public var column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

/// What is not valid TOML, and where.
public struct TOMLError: Error, Hashable, Sendable, CustomStringConvertible {
    public var position: TOMLPosition
    /// One sentence without a full stop.
    public var message: String
    public var hint: String?

    public var description: String { "\(position.line):\(position.column): \(message)" }
}

/// Limits on what is parsed.
public struct TOMLLimits: Hashable, Sendable {
    /// Bytes of a document.
    public var size: Int
    /// Nesting depth of tables and arrays.
    public var depth: Int

    public init(size: Int = 1024 * 1024, depth: Int = 64) {
        self.size = size
        self.depth = depth
    }
}

/// A value and where it begins.
public struct TOMLNode: Hashable, Sendable {
    public var value: TOMLValue
    public var position: TOMLPosition
}

/// The types of TOML 1.0.0.
public enum TOMLValue: Hashable, Sendable {
    case string(String)
    case integer(Int64)
    case float(Double)
    case boolean(Bool)
    /// With an offset from UTC in minutes.
    case offsetDateTime(TOMLDate, TOMLTime, offset: Int)
    case localDateTime(TOMLDate, TOMLTime)
    case localDate(TOMLDate)
    case localTime(TOMLTime)
    case array([TOMLNode])
    case table(TOMLTable)
}

/// A day of the Gregorian calendar, as RFC 3339 §5.6 writes it.
public struct TOMLDate: Hashable, Sendable {
    public var year: Int
    public var month: Int
    public var day: Int
}

/// A time of day; second 60 is a leap second.
public struct TOMLTime: Hashable, Sendable {
    public var hour: Int
    public var minute: Int
    public var second: Int
    /// Digits beyond the ninth are cut off, as the specification allows.
    public var nanosecond: Int
}

/// A table: unique keys in the order of the text. Keys are compared as bytes.
public struct TOMLTable: Hashable, Sendable {
    public struct Member: Hashable, Sendable {
        public var key: String
        /// The key's position.
        public var position: TOMLPosition
        public var node: TOMLNode
    }

    /// The position of its header or brace; 1:1 for the whole text.
    public let position: TOMLPosition
    public let members: [Member]
    private let index: [[UInt8]: Int]

    init(position: TOMLPosition, members: [Member], index: [[UInt8]: Int]) {
        self.position = position
        self.members = members
        self.index = index
    }

    /// The member with that key.
    public subscript(key: String) -> Member? {
        guard let at = index[Array(key.utf8)], members.indices.contains(at) else { return nil }
        return members[at]
    }
}
