import ACME

/// Columns for a person; every cell is made safe for a terminal.
struct TextTable {
    private var rows: [[String]]
    private var tints: [Tint]
    /// The column that a row's tint colours.
    private let tintedColumn: Int?

    init(_ header: [String], tinted: Int? = nil) {
        rows = [header]
        tints = [.none]
        tintedColumn = tinted
    }

    mutating func add(_ cells: [String], _ tint: Tint = .none) {
        rows.append(cells.map { TerminalText.safe($0, limit: 200) })
        tints.append(tint)
    }

    /// Two spaces between columns, none after the last.
    var text: String { text(for: .file) }

    /// A last column narrower than this is left out.
    private static let shortest = 8

    /// Fits the terminal: the last column is cut or left out if the table is too wide.
    func text(for terminal: Terminal) -> String {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column < widths.count { widths[column] = max(widths[column], cell.count) } else { widths.append(cell.count) }
            }
        }
        while let width = terminal.width, widths.count > 2 {
            let before = widths.dropLast().reduce(0) { $0 + $1 + 2 }
            guard before + (widths.last ?? 0) > width else { break }
            if width - before >= TextTable.shortest {
                widths[widths.count - 1] = width - before
                break
            }
            widths.removeLast()
        }
        return zip(rows, tints).map { row, tint in
            var line = ""
            for (column, width) in widths.enumerated() where column < row.count {
                let cell = row[column].count > width ? row[column].prefix(width - 1) + "…" : row[column][...]
                line += column == tintedColumn ? terminal.tinted(String(cell), tint) : String(cell)
                if column < min(row.count, widths.count) - 1 { line += String(repeating: " ", count: width - cell.count + 2) }
            }
            while line.hasSuffix(" ") { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}

/// `name: value` lines with the values in one column; every value is made safe for a terminal.
struct FieldList {
    private var fields: [(name: String, values: [String], tint: Tint)] = []

    mutating func add(_ name: String, _ value: String?) {
        if let value { fields.append((name, [TerminalText.safe(value)], .none)) }
    }

    /// One line for each value; nothing if there are none.
    mutating func add(_ name: String, _ values: [String], _ tint: Tint = .none) {
        if !values.isEmpty { fields.append((name, values.map { TerminalText.safe($0) }, tint)) }
    }

    var text: String { text(for: .file) }

    /// Fits the terminal: long values continue on the next line.
    func text(for terminal: Terminal) -> String {
        let width = fields.map(\.name.count).max() ?? 0
        return fields.map { name, values, tint in
            let indent = String(repeating: " ", count: width + 3)
            let lines = values.flatMap { value in
                terminal.width.map { Wording.wrapped(value, width: $0 - width - 3) } ?? [value]
            }
            return "\(name):" + String(repeating: " ", count: width - name.count + 2)
                + lines.map { terminal.tinted($0, tint) }.joined(separator: "\n" + indent)
        }.joined(separator: "\n")
    }
}
