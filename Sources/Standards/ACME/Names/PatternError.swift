/// A text in a configuration that is not a pattern. Who reads the file adds its name and the line.
public struct PatternError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The text as configured, made printable.
    public var text: String
    /// One sentence without a full stop.
    public var message: String

    public init(_ text: String, _ message: String) {
        self.text = PatternError.printable(text)
        self.message = message
    }

    public var description: String { "\"\(text)\": \(message)" }

    /// A configured or requested text, made safe for a log line or an answer.
    public static func printable(_ text: String) -> String { TerminalText.safe(text, limit: 128) }
}
