import ACME

/// Phrases that several commands share.
enum Wording {
    /// `a, b and 3 more`
    static func list(_ identifiers: [Identifier], limit: Int = 6) -> String { list(identifiers.map(\.value), limit: limit) }

    static func list(_ texts: [String], limit: Int = 6) -> String {
        guard texts.count > 1 else { return texts.first ?? "nothing" }
        if texts.count > limit { return texts.prefix(limit).joined(separator: ", ") + " and \(texts.count - limit) more" }
        return texts.dropLast().joined(separator: ", ") + " and " + (texts.last ?? "")
    }

    /// Lines of at most `width` characters, broken at spaces; a longer word stays whole. Lines after the first are
    /// indented by two more spaces than the first.
    static func wrapped(_ text: String, width: Int) -> [String] {
        guard text.count > width, width > 20 else { return [text] }
        let indent = String(text.prefix { $0 == " " })
        var lines: [String] = [], line = ""
        for word in text.split(separator: " ") {
            if line.isEmpty {
                line = (lines.isEmpty ? indent : indent + "  ") + word
            } else if line.count + 1 + word.count > width {
                lines.append(line)
                line = indent + "  " + word
            } else {
                line += " " + word
            }
        }
        return lines + [line]
    }

    /// `1 key`, `2 keys`
    static func count(_ number: some BinaryInteger, _ noun: String, plural: String? = nil) -> String {
        number == 1 ? "1 \(noun)" : "\(number) \(plural ?? noun + "s")"
    }

    /// The two largest units: `3 days 4 h`, `90 s` as `1 min 30 s`.
    static func duration(seconds: Int64) -> String {
        let seconds = max(seconds, 0)
        // Not a plausible value.
        guard seconds < 100 * 365 * 86_400 else { return ">100 years" }
        let units: [(Int64, String)] = [(86_400, "days"), (3600, "h"), (60, "min"), (1, "s")]
        for (index, unit) in units.enumerated() where seconds >= unit.0 {
            let whole = seconds / unit.0
            let name = unit.1 == "days" && whole == 1 ? "day" : unit.1
            guard index + 1 < units.count else { return "\(whole) \(name)" }
            let next = units[index + 1]
            let rest = seconds % unit.0 / next.0
            return rest == 0 || whole >= 10 && index == 0 ? "\(whole) \(name)" : "\(whole) \(name) \(rest) \(next.1)"
        }
        return "0 s"
    }

    /// Only the largest unit: `89 days`, `5 h`.
    static func largestUnit(seconds: Int64) -> String {
        let parts = duration(seconds: seconds).split(separator: " ").prefix(2)
        return parts.joined(separator: " ")
    }

    /// `in 89 days`, `3 h ago`
    static func moment(_ time: Int64, from now: Int64) -> String {
        time >= now ? "in \(duration(seconds: time &- now))" : "\(duration(seconds: now &- time)) ago"
    }

    /// The date without the time of day.
    static func day(_ time: Int64) -> String { String(RFC3339.string(time).prefix(10)) }
}
