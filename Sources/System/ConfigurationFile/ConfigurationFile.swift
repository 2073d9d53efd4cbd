import DurableFile
import Glibc
import TOMLKit

/// A TOML file read whole and strictly: a key that nobody asks for is an error with its line, never ignored.
public enum ConfigurationFile {
    /// No configuration that a person writes is larger.
    public static let sizeLimit = 1024 * 1024

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
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ConfigurationError(file: file, line: nil, message: "is not valid UTF-8")
        }
        let root: TOMLTable
        do { root = try TOMLTable(string: text) } catch let error as TOMLParseError {
            throw ConfigurationError(file: file, line: error.source.begin.line, message: firstLine(of: error.description))
        } catch {
            throw ConfigurationError(file: file, line: nil, message: "\(error)")
        }
        let lines = ConfigurationLines(text)
        return ConfigurationTable(file: file, path: [], values: convert(root), lines: lines)
    }

    private static func firstLine(of text: String) -> String {
        String(text.split(whereSeparator: \.isNewline).first ?? "is not valid TOML")
    }

    private static func convert(_ table: TOMLTable) -> [String: ConfigurationValue] {
        var values: [String: ConfigurationValue] = [:]
        for key in table.keys {
            if let value = table[key] { values[key] = convert(value) }
        }
        return values
    }

    private static func convert(_ value: any TOMLValueConvertible) -> ConfigurationValue {
        switch value.type {
        case .string: value.string.map(ConfigurationValue.string) ?? .other
        case .int: value.int.map(ConfigurationValue.integer) ?? .other
        case .bool: value.bool.map(ConfigurationValue.bool) ?? .other
        case .array: value.array.map { .array($0.map { convert($0) }) } ?? .other
        case .table: value.table.map { .table(convert($0)) } ?? .other
        default: .other
        }
    }
}

/// A value of the kinds that a configuration of this project uses.
indirect enum ConfigurationValue: Sendable {
    case string(String)
    case integer(Int)
    case bool(Bool)
    case array([ConfigurationValue])
    case table([String: ConfigurationValue])
    /// Dates and fractions: no setting is one.
    case other

    var kind: String {
        switch self {
        case .string: "a string"
        case .integer: "an integer"
        case .bool: "a boolean"
        case .array: "an array"
        case .table: "a table"
        case .other: "of another type"
        }
    }
}

/// Where each key of a text stands. TOML's parser gives lines for its own errors only, so the lines of keys are found by reading the headers
/// (`[a]`, `[[a]]`) and the names before `=`.
struct ConfigurationLines: Sendable {
    private var lines: [String: Int] = [:]

    init(_ text: String) {
        var section = ""
        var counts: [String: Int] = [:]
        for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = line.drop { $0 == " " || $0 == "\t" }
            if line.hasPrefix("[[") {
                let name = String(line.dropFirst(2).prefix { $0 != "]" })
                let index = counts[name] ?? 0
                counts[name] = index + 1
                section = "\(name)[\(index)]"
                lines[section] = number + 1
            } else if line.hasPrefix("[") {
                section = String(line.dropFirst().prefix { $0 != "]" })
                lines[section] = number + 1
            } else if let end = line.firstIndex(where: { $0 == "=" || $0 == " " || $0 == "\t" }), line.contains("=") {
                let key = line[..<end].filter { $0 != "\"" && $0 != "'" }
                let path = section.isEmpty ? String(key) : "\(section).\(key)"
                if lines[path] == nil { lines[path] = number + 1 }
            }
        }
    }

    func line(of path: String) -> Int? { lines[path] }
}
