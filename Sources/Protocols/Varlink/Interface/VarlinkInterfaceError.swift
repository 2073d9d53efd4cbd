/// Why a description was refused, and where.
public struct VarlinkInterfaceError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Counted from 1.
    public var line: Int
    /// Counted from 1, in bytes.
    public var column: Int
    /// A phrase.
    public var message: String

    public var description: String { "line \(line), column \(column): \(message)" }
}
