import Measurement

/// Stacked bars: a picture (SVG) and a table of the same figures.
struct StackedBars {
    /// One bar.
    struct Bar {
        var name: String
        /// Parts from left to right, in the picture's unit.
        var parts: [(name: String, value: Double)]

        var total: Double { parts.reduce(0) { $0 + $1.value } }
    }

    var title: String
    var unit: String
    var bars: [Bar]

    /// The names of all parts, in the order of first occurrence.
    private var names: [String] {
        var names: [String] = []
        for part in bars.flatMap(\.parts) where !names.contains(part.name) { names.append(part.name) }
        return names
    }

    var markdown: String {
        var lines = ["| stage (\(unit)) |" + bars.map { " \($0.name) |" }.joined(), "|---|" + bars.map { _ in "---:|" }.joined()]
        for name in names {
            let cells = bars.map { bar in bar.parts.first { $0.name == name }.map { Figure.text($0.value) } ?? "–" }
            lines.append("| \(name) |" + cells.map { " \($0) |" }.joined())
        }
        lines.append("| total |" + bars.map { " \(Figure.text($0.total)) |" }.joined())
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: The picture

    private static let width = 960.0
    private static let margin = 16.0
    private static let barHeight = 30.0
    private static let rowHeight = 66.0
    /// Okabe and Ito's palette and lighter shades of it, which colour-blind people can tell apart.
    private static let colours = [
        "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999", "#66AAD0", "#F2C566", "#66C5AB", "#E0AFCA",
        "#9AD2F2", "#E59E66",
    ]

    var svg: String {
        let longest = max(bars.map(\.total).max() ?? 0, .leastNonzeroMagnitude)
        let scale = (StackedBars.width - 2 * StackedBars.margin) / longest
        let legendTop = 44 + StackedBars.rowHeight * Double(bars.count)
        let legendRows = Double((names.count + 2) / 3)
        let height = legendTop + legendRows * 22 + 12
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(StackedBars.width) \(height)\" font-family=\"sans-serif\" font-size=\"13\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
            "<text x=\"\(StackedBars.margin)\" y=\"26\" font-size=\"17\" font-weight=\"bold\">\(SVG.escaped(title))</text>",
        ]
        for (row, bar) in bars.enumerated() {
            let top = 44 + StackedBars.rowHeight * Double(row)
            lines.append(
                "<text x=\"\(StackedBars.margin)\" y=\"\(top + 14)\">\(SVG.escaped(bar.name)): \(Figure.text(bar.total)) \(SVG.escaped(unit))</text>"
            )
            var left = StackedBars.margin
            for part in bar.parts {
                let width = part.value * scale
                lines.append(
                    "<rect x=\"\(SVG.rounded(left))\" y=\"\(top + 20)\" width=\"\(SVG.rounded(width))\" height=\"\(StackedBars.barHeight)\" "
                        + "fill=\"\(colour(part.name))\" stroke=\"#ffffff\" stroke-width=\"0.5\">"
                        + "<title>\(SVG.escaped(part.name)): \(Figure.text(part.value)) \(SVG.escaped(unit))</title></rect>")
                if width > 34 {
                    lines.append(
                        "<text x=\"\(SVG.rounded(left + width / 2))\" y=\"\(top + 40)\" text-anchor=\"middle\">\(Figure.text(part.value))</text>"
                    )
                }
                left += width
            }
        }
        for (index, name) in names.enumerated() {
            let x = StackedBars.margin + Double(index % 3) * (StackedBars.width - 2 * StackedBars.margin) / 3
            let y = legendTop + Double(index / 3) * 22
            lines.append("<rect x=\"\(SVG.rounded(x))\" y=\"\(y)\" width=\"14\" height=\"14\" fill=\"\(colour(name))\"/>")
            lines.append("<text x=\"\(SVG.rounded(x + 20))\" y=\"\(y + 12)\">\(SVG.escaped(name))</text>")
        }
        lines.append("</svg>")
        return lines.joined(separator: "\n") + "\n"
    }

    private func colour(_ name: String) -> String {
        StackedBars.colours[(names.firstIndex(of: name) ?? 0) % StackedBars.colours.count]
    }
}
