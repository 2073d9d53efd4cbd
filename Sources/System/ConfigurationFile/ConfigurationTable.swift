import TOML

/// One table of a configuration file, read setting by setting.
public struct ConfigurationTable: Sendable {
    public let file: String
    private let table: TOMLTable
    /// The header's line; `nil` for the whole file.
    private let ownLine: Int?

    init(file: String, table: TOMLTable, line: Int?) {
        self.file = file
        self.table = table
        ownLine = line
    }

    private func value(_ key: String) -> TOMLValue? { table[key]?.node.value }

    /// The line of a setting, or of the table if the setting is missing.
    public func line(of key: String? = nil) -> Int? { key.flatMap { table[$0]?.position.line } ?? ownLine }

    /// The line of a setting; `nil` if the table does not have it.
    public func line(ofSetting key: String) -> Int? { table[key]?.position.line }

    /// An error at a setting of this table.
    public func error(_ key: String?, _ message: String, hint: String? = nil) -> ConfigurationError {
        ConfigurationError(file: file, line: line(of: key), message: key.map { "\"\($0)\" \(message)" } ?? message, hint: hint)
    }

    /// An error at an array element, which may be on another line than its key.
    private func error(_ key: String, at element: TOMLNode, _ message: String) -> ConfigurationError {
        ConfigurationError(file: file, line: element.position.line, message: "\"\(key)\" \(message)")
    }

    /// Refuses settings that are not in `known`; reports the first in the file.
    public func finish(known: [String]) throws(ConfigurationError) {
        for key in table.members.map(\.key) where !known.contains(key) {
            let near = known.min { ConfigurationTable.distance($0, key) < ConfigurationTable.distance($1, key) }
            let hint = near.flatMap { ConfigurationTable.distance($0, key) <= 2 ? "did you mean \"\($0)\"?" : nil }
            throw error(key, "is not a setting here", hint: hint ?? "settings here: " + known.joined(separator: ", "))
        }
    }

    /// A string that is not empty; `nil` if the key is absent.
    /// - Throws: `ConfigurationError` with file and line if it is anything else.
    public func string(_ key: String) throws(ConfigurationError) -> String? {
        switch value(key) {
        case nil: return nil
        case .string(let text)?:
            guard !text.isEmpty else { throw error(key, "is empty") }
            return text
        case let value?: throw error(key, "must be a string, not \(value.kind)")
        }
    }

    /// A string that is not empty.
    /// - Throws: `ConfigurationError` with file and line if it is absent or anything else.
    public func requiredString(_ key: String) throws(ConfigurationError) -> String {
        guard let text = try string(key) else { throw error(nil, "the setting \"\(key)\" is missing") }
        return text
    }

    /// An integer in the range; `nil` if the key is absent.
    /// - Throws: `ConfigurationError` with file and line if it is anything else.
    public func integer(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
        switch value(key) {
        case nil: return nil
        case .integer(let number)?:
            guard let number = Int(exactly: number), range.contains(number) else {
                throw error(key, "must be from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        case let value?: throw error(key, "must be an integer, not \(value.kind)")
        }
    }

    /// `true` or `false`; `nil` if the key is absent.
    /// - Throws: `ConfigurationError` with file and line if it is anything else.
    public func bool(_ key: String) throws(ConfigurationError) -> Bool? {
        switch value(key) {
        case nil: return nil
        case .boolean(let value)?: return value
        case let value?: throw error(key, "must be true or false, not \(value.kind)")
        }
    }

    /// An array of strings; `nil` if the key is absent.
    /// - Throws: `ConfigurationError` with file and line if it is anything else.
    public func strings(_ key: String) throws(ConfigurationError) -> [String]? {
        switch value(key) {
        case nil: return nil
        case .array(let elements)?:
            var texts: [String] = []
            for element in elements {
                guard case .string(let text) = element.value else {
                    throw error(key, at: element, "must contain strings, not \(element.value.kind)")
                }
                texts.append(text)
            }
            return texts
        case let value?: throw error(key, "must be an array of strings, not \(value.kind)")
        }
    }

    /// A string or an integer, as text: a user or a group by name or number; `nil` if the key is absent.
    /// - Throws: `ConfigurationError` with file and line if it is anything else.
    public func name(_ key: String) throws(ConfigurationError) -> String? {
        switch value(key) {
        case nil, .string?: return try string(key)
        case .integer(let number)?: return String(number)
        case let value?: throw error(key, "must be a name or a number, not \(value.kind)")
        }
    }

    /// Strings and integers, both as text: users and groups by name or number.
    public func names(_ key: String) throws(ConfigurationError) -> [String]? {
        guard case .array(let elements)? = value(key) else { return try strings(key) }
        var texts: [String] = []
        for element in elements {
            switch element.value {
            case .string(let text): texts.append(text)
            case .integer(let number): texts.append(String(number))
            case let value: throw error(key, at: element, "must contain names or numbers, not \(value.kind)")
            }
        }
        return texts
    }

    /// A table; `nil` if the key is absent.
    /// - Throws: `ConfigurationError` with file and line if it is anything else.
    public func table(_ key: String) throws(ConfigurationError) -> ConfigurationTable? {
        switch value(key) {
        case nil: return nil
        case .table(let table)?: return ConfigurationTable(file: file, table: table, line: table.position.line)
        case let value?: throw error(key, "must be a table, not \(value.kind)")
        }
    }

    /// The tables of `[[key]]`.
    public func tables(_ key: String) throws(ConfigurationError) -> [ConfigurationTable] {
        switch value(key) {
        case nil: return []
        case .array(let elements)?:
            var tables: [ConfigurationTable] = []
            for element in elements {
                guard case .table(let table) = element.value else { throw error(key, at: element, "must be written as [[\(key)]]") }
                tables.append(ConfigurationTable(file: file, table: table, line: table.position.line))
            }
            return tables
        default: throw error(key, "must be written as [[\(key)]]")
        }
    }

    /// Every string of a table, by key.
    public func allStrings() throws(ConfigurationError) -> [String: String] {
        var result: [String: String] = [:]
        for member in table.members { result[member.key] = try string(member.key) }
        return result
    }

    /// Levenshtein distance between names of settings.
    static func distance(_ one: String, _ other: String) -> Int {
        let one = Array(one.utf8), other = Array(other.utf8)
        var row = Array(0...other.count)
        for (i, a) in one.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in other.enumerated() {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a == b ? 0 : 1))
                diagonal = above
            }
        }
        return row.last ?? 0
    }
}
