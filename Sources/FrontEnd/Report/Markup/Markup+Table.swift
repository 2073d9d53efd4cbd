/// A column of a table.
struct Column: Sendable {
    enum Kind: Sendable {
        case words
        /// Aligned at the last digit.
        case number
        /// Drawn.
        case bar
    }

    var title: String
    var kind = Kind.words
    /// Whether somebody else has chosen the title.
    var isForeign = false

    init(_ title: String, _ kind: Kind = .words, isForeign: Bool = false) {
        self.title = title
        self.kind = kind
        self.isForeign = isForeign
    }
}

/// A cell of a table.
struct Cell: Sendable {
    fileprivate let write: @Sendable (inout Markup) -> Void

    /// Written by `body`.
    init(_ body: @escaping @Sendable (inout Markup) -> Void) { write = body }

    /// Text of any origin; a dash if there is none.
    init(_ text: String?) { write = { if let text, !text.isEmpty { $0.foreign(text) } else { $0.text("–") } } }

    /// A word of ours, such as a state, which is not broken.
    static func word(_ text: String) -> Cell { Cell { $0.text(text) } }

    /// Several texts, one a line.
    init(lines: [String]) {
        write = { markup in
            guard !lines.isEmpty else { return markup.text("–") }
            for line in lines { markup.element(.div) { $0.foreign(line) } }
        }
    }

    /// Text in a monospaced face.
    static func code(_ text: String) -> Cell { Cell { $0.element(.code, text: text) } }
    static func number(_ value: some BinaryInteger) -> Cell {
        let text = Phrase.number(value)
        return Cell { $0.text(text) }
    }
    /// A day, with the time for machines.
    static func day(_ time: Int64?) -> Cell { Cell { markup in if let time { markup.day(time) } else { markup.text("–") } } }
    /// A day or a month, named as RFC 3339 does.
    static func period(_ name: String) -> Cell { Cell { $0.element(.time, .datetime(name), text: name) } }
    static func marked(_ text: String, _ mark: Class) -> Cell { Cell { $0.element(.strong, .classes(mark), text: text) } }
}

extension Markup {
    /// A table that scrolls within itself where the page is narrow. The first cell of each row names the row.
    mutating func table(_ caption: String, _ columns: [Column], _ rows: [[Cell]]) {
        element(.div, .classes(.scroll), .focusable, .region, .label(caption)) { markup in
            markup.element(.table) { table in
                table.element(.caption, text: caption)
                table.element(.thead) { head in
                    head.element(.tr) { row in
                        for column in columns {
                            let title = { (cell: inout Markup) in
                                if column.isForeign { cell.foreign(column.title) } else { cell.text(column.title) }
                            }
                            if column.kind == .number {
                                row.element(.th, .column, .classes(.number), content: title)
                            } else {
                                row.element(.th, .column, content: title)
                            }
                        }
                    }
                }
                table.element(.tbody) { body in
                    for cells in rows {
                        body.element(.tr) { row in
                            for (index, (column, cell)) in zip(columns, cells).enumerated() {
                                switch (index, column.kind) {
                                case (0, _): row.element(.th, .row, content: cell.write)
                                case (_, .number): row.element(.td, .classes(.number), content: cell.write)
                                case (_, .bar): row.element(.td, .classes(.bar), content: cell.write)
                                case (_, .words): row.element(.td, content: cell.write)
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    mutating func day(_ time: Int64) { element(.time, .datetime(Phrase.rfc3339(time)), text: Phrase.day(time)) }
    mutating func moment(_ time: Int64) { element(.time, .datetime(Phrase.rfc3339(time)), text: Phrase.moment(time)) }

    /// A list of names and values.
    mutating func fields(_ fields: [(name: String, value: Cell)]) {
        element(.dl) { list in
            for field in fields {
                list.element(.dt, text: field.name)
                list.element(.dd, content: field.value.write)
            }
        }
    }
}
