import ACME

/// Columns for a person; every cell is made safe for a terminal.
struct TextTable {
    private var rows: [[String]]

    init(_ header: [String]) { rows = [header] }

    mutating func add(_ cells: [String]) { rows.append(cells.map { TerminalText.safe($0, limit: 200) }) }

    /// Two spaces between columns, none behind the last.
    var text: String {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column < widths.count { widths[column] = max(widths[column], cell.count) } else { widths.append(cell.count) }
            }
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                if column < row.count - 1 { line += String(repeating: " ", count: widths[column] - cell.count + 2) }
            }
            while line.hasSuffix(" ") { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}

/// `name: value` lines with the values in one column; every value is made safe for a terminal.
struct FieldList {
    private var fields: [(String, [String])] = []

    mutating func add(_ name: String, _ value: String?) {
        if let value { fields.append((name, [TerminalText.safe(value)])) }
    }

    /// One line a value; nothing where there are none.
    mutating func add(_ name: String, _ values: [String]) {
        if !values.isEmpty { fields.append((name, values.map { TerminalText.safe($0) })) }
    }

    var text: String {
        let width = fields.map { $0.0.count }.max() ?? 0
        return fields.map { name, values in
            let indent = String(repeating: " ", count: width + 3)
            return "\(name):" + String(repeating: " ", count: width - name.count + 2) + values.joined(separator: "\n" + indent)
        }.joined(separator: "\n")
    }
}
