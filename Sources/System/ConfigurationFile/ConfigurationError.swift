/// What is wrong in a configuration file, and where.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    public var file: String
    /// From 1; `nil` if the fault has no line, such as a file that cannot be opened.
    public var line: Int?
    /// In the line, from 1; `nil` if the fault is the whole setting.
    public var column: Int?
    public var message: String
    public var hint: String?

    public init(file: String, line: Int?, column: Int? = nil, message: String, hint: String? = nil) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
        self.hint = hint
    }

    /// `file:line:column: message`, without the unknown parts.
    public var description: String {
        let place = [line, line.flatMap { _ in column }].compactMap { $0 }.map { ":\($0)" }.joined()
        return "\(file)\(place): \(message)"
    }
}
