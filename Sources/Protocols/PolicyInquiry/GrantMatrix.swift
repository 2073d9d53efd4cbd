import ACME
import AgentInterface
import StrictJSON

/// Who may do what with which key for whom, as a table: one row for each user or group and grant.
public struct GrantMatrix: Sendable {
    private let listing: GrantListing

    public init(_ listing: GrantListing) { self.listing = listing }

    /// One JSON object.
    public var json: String {
        var json = JSONWriter()
        json.beginObject()
        listing.writeMembers(to: &json)
        json.endObject()
        return String(decoding: json.bytes, as: UTF8.self)
    }

    private static let header = ["WHO", "KEYS", "OPERATIONS", "FOR"]
    /// Columns without a terminal's width.
    public static let usualWidth = 80
    private static let gap = 2
    /// No column gets narrower.
    private static let narrowest = 8

    /// Lines, safe for a terminal, that fit the width. Cells of several values take several lines.
    public func text(width: Int = GrantMatrix.usualWidth) -> String {
        var rows = [GrantMatrix.header.map { [$0] }]
        for grant in listing.grants { rows += cells(grant) }
        let columns = GrantMatrix.header.indices.map { column in
            rows.flatMap { $0[column] }.map(\.count).max() ?? 0
        }
        let widths = GrantMatrix.widths(columns, width)
        var lines: [String] = []
        for row in rows {
            let cells = zip(row, widths).map { values, width in GrantMatrix.wrapped(values, width) }
            for index in 0..<(cells.map(\.count).max() ?? 0) {
                var line = ""
                for (cell, width) in zip(cells, widths) {
                    let text = index < cell.count ? cell[index] : ""
                    line += text + String(repeating: " ", count: max(0, width - text.count) + GrantMatrix.gap)
                }
                while line.hasSuffix(" ") { line.removeLast() }
                lines.append(line)
            }
        }
        return lines.joined(separator: "\n")
    }

    /// One row for each user and group of the grant.
    private func cells(_ assigned: AssignedGrant) -> [[[String]]] {
        let grant = assigned.grant
        var limits = grant.identifiers
        if grant.wildcards { limits.append("and wildcards") }
        // Schemes are all the same.
        limits += grant.cas.map { "at " + ($0.hasPrefix("https://") ? String($0.dropFirst(8)) : $0) }
        if !grant.externalAccounts.isEmpty { limits.append("with external account " + grant.externalAccounts.joined(separator: " ")) }
        limits += assigned.limits.map { "at most \($0)" }
        limits.append("(grant \(grant.name)" + (assigned.line.map { ", line \($0)" } ?? "") + (assigned.off == nil ? ")" : ", off)"))
        let who = assigned.users.map { "user \($0)" } + assigned.groups.map { "group \($0)" }
        return who.map { who in
            [
                [who], grant.keys.isEmpty ? ["-"] : grant.keys,
                grant.operations.isEmpty ? ["-"] : [grant.operations.joined(separator: " ")], limits,
            ]
            .map { $0.map { TerminalText.safe($0) } }
        }
    }

    /// The columns' widths: each as wide as its widest cell, and where that is too much, the widest ones less.
    private static func widths(_ wanted: [Int], _ width: Int) -> [Int] {
        var widths = wanted
        let room = max(width - gap * (wanted.count - 1), narrowest * wanted.count)
        while widths.reduce(0, +) > room, let widest = widths.max(), widest > narrowest,
            let column = widths.lastIndex(of: widest)
        {
            widths[column] -= 1
        }
        return widths
    }

    /// Values one after another, each on a line of its own; a longer one is broken at spaces, or where the column ends.
    private static func wrapped(_ values: [String], _ width: Int) -> [String] {
        values.flatMap { value in
            var lines: [String] = [], line = ""
            for word in value.split(separator: " ") {
                if !line.isEmpty, line.count + 1 + word.count <= width {
                    line += " " + word
                    continue
                }
                if !line.isEmpty { lines.append(line) }
                line = String(word)
                while line.count > width {
                    lines.append(String(line.prefix(width)))
                    line = String(line.dropFirst(width))
                }
            }
            return lines + [line]
        }
    }
}
