/// What is wrong in a configuration file, and where.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    public var file: String
    /// From 1; `nil` if the fault has no line, such as a file that cannot be opened.
    public var line: Int?
    public var message: String
    public var hint: String?

    public init(file: String, line: Int?, message: String, hint: String? = nil) {
        self.file = file
        self.line = line
        self.message = message
        self.hint = hint
    }

    /// `file:line: message`
    public var description: String {
        line.map { "\(file):\($0): \(message)" } ?? "\(file): \(message)"
    }
}
