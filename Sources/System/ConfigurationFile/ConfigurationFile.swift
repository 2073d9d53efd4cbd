import DurableFile
import TOML

/// Reads a TOML file completely and strictly: an unknown key is an error with its line, never ignored.
public enum ConfigurationFile {
    /// In bytes. No handwritten configuration is larger.
    public static let sizeLimit = TOMLLimits().size

    /// Reads and parses a file.
    /// - Throws: `ConfigurationError`.
    public static func load(_ path: String) throws(ConfigurationError) -> ConfigurationTable {
        let bytes: [UInt8]
        do { bytes = try DurableFile.read(path, limit: sizeLimit) } catch {
            throw ConfigurationError(file: path, line: nil, message: "cannot be read: \(error.reason)")
        }
        return try parse(bytes, file: path)
    }

    /// Parses a text; `file` is its name in messages.
    /// - Throws: `ConfigurationError`.
    public static func parse(_ bytes: [UInt8], file: String) throws(ConfigurationError) -> ConfigurationTable {
        do throws(TOMLError) {
            return ConfigurationTable(file: file, table: try TOML.parse(bytes, limits: TOMLLimits(size: sizeLimit)), line: nil)
        } catch {
            throw ConfigurationError(
                file: file, line: error.position.line, column: error.position.column, message: error.message, hint: error.hint)
        }
    }
}

extension TOMLValue {
    /// In messages.
    var kind: String {
        switch self {
        case .string: "a string"
        case .integer: "an integer"
        case .float: "a fraction"
        case .boolean: "a boolean"
        case .offsetDateTime, .localDateTime, .localDate, .localTime: "a date or time"
        case .array: "an array"
        case .table: "a table"
        }
    }
}
