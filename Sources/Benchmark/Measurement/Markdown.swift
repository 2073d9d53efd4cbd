extension Report {
    /// The table for people; below it, what could not be measured.
    public var markdown: String {
        var lines: [String] = []
        for (name, value) in circumstances { lines.append("- \(name): \(value)") }
        if !circumstances.isEmpty { lines.append("") }
        var part: String?
        for row in rows {
            if row.part != part {
                if part != nil { lines.append("") }
                part = row.part
                lines += ["### \(row.part)", "", "| what | value | unit | limit | holds | rounds |", "|---|---:|---|---:|---|---|"]
            }
            lines.append(row.markdown)
        }
        if !omissions.isEmpty {
            lines += ["", "Not measured:"]
            for omission in omissions { lines.append("- \(omission.part), \(omission.name): \(omission.reason)") }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Row {
    fileprivate var markdown: String {
        let limit = self.limit.flatMap { limit in bound.map { ($0 == .atMost ? "≤ " : "≥ ") + Figure.text(limit) } } ?? ""
        let holds = self.holds.map { $0 ? "yes" : "**no**" } ?? ""
        let rounds = self.rounds.map { Figure.text($0) }.joined(separator: " ") + (isUnsteady ? " (unsteady)" : "")
        return "| \(name) | \(value.map { Figure.text($0) } ?? "–") | \(unit) | \(limit) | \(holds) | \(rounds) |"
    }
}

/// Numbers as people read them.
public enum Figure {
    /// Three significant digits, integers from 100 on, with thousands separated.
    public static func text(_ value: Double) -> String {
        guard value.isFinite else { return "–" }
        if abs(value) >= 99.95 { return grouped(value.rounded()) }
        let decimals: Double = abs(value) >= 9.995 ? 1 : abs(value) >= 0.9995 ? 2 : 3
        return fixed(value, Int(decimals))
    }

    private static func grouped(_ value: Double) -> String {
        guard let whole = Int64(exactly: value) else { return "\(value)" }
        let digits = String(whole.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text += "," }
            text.append(digit)
        }
        return (whole < 0 ? "-" : "") + text
    }

    private static func fixed(_ value: Double, _ decimals: Int) -> String {
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = Int64((abs(value) * scale).rounded())
        let whole = scaled / Int64(scale), part = String(scaled % Int64(scale))
        let padded = String(repeating: "0", count: max(0, decimals - part.count)) + part
        return (value < 0 && scaled != 0 ? "-" : "") + "\(whole).\(padded)"
    }
}

extension Comparison {
    /// What changed, for people: a table, or a sentence that nothing did.
    public var text: String {
        var lines: [String] = []
        for (name, before, after) in differences { lines.append("differs: \(name): \(before) → \(after)") }
        let moved = changes.filter { $0.hasMoved || $0.isBroken }
        if moved.isEmpty {
            lines.append("\(changes.count) rows compared, none moved by more than the noise")
        } else {
            lines += ["| what | before | after | unit | change | noise | limit |", "|---|---:|---:|---|---:|---:|---|"]
            for change in moved {
                let limit =
                    change.isBroken ? "**no longer kept**" : change.heldBefore == false && change.holdsNow == true ? "kept now" : ""
                lines.append(
                    "| \(change.part): \(change.name) | \(Figure.text(change.before)) | \(Figure.text(change.after)) | \(change.unit) "
                        + "| \(Figure.percent(change.change)) | \(Figure.percent(change.noise, signed: false)) | \(limit) |")
            }
            lines.append("\(changes.count) rows compared, \(moved.count) moved by more than the noise")
        }
        if !gone.isEmpty { lines.append("no longer measured: " + gone.map { "\($0.part): \($0.name)" }.joined(separator: "; ")) }
        if !new.isEmpty { lines.append("new: " + new.map { "\($0.part): \($0.name)" }.joined(separator: "; ")) }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Figure {
    /// A share in whole percent.
    public static func percent(_ share: Double, signed: Bool = true) -> String {
        guard share.isFinite else { return "–" }
        let rounded = Int64((share * 100).rounded())
        return (signed && rounded > 0 ? "+" : "") + "\(rounded) %"
    }
}
