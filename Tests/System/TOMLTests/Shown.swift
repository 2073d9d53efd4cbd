import TOML

/// A table on one line, with a distinct form for each type.
func shown(_ table: TOMLTable) -> String {
    "{" + table.members.map { "\(key($0.key)) = \(shown($0.node.value))" }.joined(separator: ", ") + "}"
}

private func shown(_ value: TOMLValue) -> String {
    switch value {
    case .string(let text): quoted(text)
    case .integer(let number): String(number)
    case .float(let number): "\(number)"
    case .boolean(let value): value ? "true" : "false"
    case .offsetDateTime(let date, let time, let offset): "\(shown(date)) \(shown(time)) \(offset < 0 ? "" : "+")\(offset)"
    case .localDateTime(let date, let time): "\(shown(date)) \(shown(time))"
    case .localDate(let date): shown(date)
    case .localTime(let time): shown(time)
    case .array(let elements): "[" + elements.map { shown($0.value) }.joined(separator: ", ") + "]"
    case .table(let table): shown(table)
    }
}

private func shown(_ date: TOMLDate) -> String { "\(date.year)-\(date.month)-\(date.day)" }
private func shown(_ time: TOMLTime) -> String { "\(time.hour):\(time.minute):\(time.second).\(time.nanosecond)" }

private func key(_ text: String) -> String {
    let isBare = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"'.\\".utf8.contains($0) }
    return isBare ? text : quoted(text)
}

private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\u{0}": result += "\\0"
        case "\u{8}": result += "\\b"
        case "\t": result += "\\t"
        case "\n": result += "\\n"
        case "\u{C}": result += "\\f"
        case "\r": result += "\\r"
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
