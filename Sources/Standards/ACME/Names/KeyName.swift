/// The name of a key in the agent, as used by the configuration, policy, command line, audit trail and store folders.
///
/// `[a-z0-9][a-z0-9._-]{0,63}` without `..`, so that it can never be an option, a path out of a folder or an escape
/// sequence.
public struct KeyName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Fits a folder's name, a token label and a line of output.
    public static let maximumLength = 64

    /// The name.
    public let rawValue: String

    /// - Throws: the rule that the text breaks, as a sentence.
    public init(_ text: String) throws(KeyNameError) {
        // In place: a name is parsed for every signature, and only the text itself may be allocated.
        guard let first = text.utf8.first else { throw KeyNameError(text, "it is empty") }
        guard text.utf8.count <= KeyName.maximumLength else {
            throw KeyNameError(text, "it is longer than \(KeyName.maximumLength) characters")
        }
        guard KeyName.isLetterOrDigit(first) else { throw KeyNameError(text, "it begins with neither a lower-case letter nor a digit") }
        var hasTwoDots = false
        var last = first
        for byte in text.utf8 {
            guard KeyName.isLetterOrDigit(byte) || KeyName.isMark(byte) else {
                throw KeyNameError(text, "it may have only lower-case letters, digits, \".\", \"_\" and \"-\"")
            }
            if byte == UInt8(ascii: "."), last == byte { hasTwoDots = true }
            last = byte
        }
        guard !hasTwoDots else { throw KeyNameError(text, "it has two dots in a row") }
        rawValue = text
    }

    private static func isMark(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    public var description: String { rawValue }

    public static func < (left: KeyName, right: KeyName) -> Bool { left.rawValue.utf8.lexicographicallyPrecedes(right.rawValue.utf8) }
}

/// Why a text is not a key name, as a sentence for a person.
public struct KeyNameError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The text, safe for a terminal.
    public let name: String
    /// Part of a sentence.
    public let reason: String

    init(_ name: String, _ reason: String) {
        self.name = TerminalText.safe(name, limit: 80)
        self.reason = reason
    }

    public var description: String { "\"\(name)\" is not a key name: \(reason)" }
}
