import Measurement

/// A timeline in lanes: a picture (SVG).
struct TimelineChart {
    /// A time span, in the lane of the part that is waited for.
    struct Span {
        var lane: String
        var name: String
        /// Milliseconds since the start of the chart.
        var began: Double
        var ended: Double

        var duration: Double { ended - began }
    }

    var title: String
    /// Lanes from top to bottom; spans of other lanes are not shown.
    var lanes: [String]
    var spans: [Span]
    /// Total duration in milliseconds.
    var duration: Double

    private static let width = 960.0
    private static let labelWidth = 88.0
    private static let margin = 16.0
    private static let rowHeight = 24.0
    private static let top = 48.0
    /// Okabe and Ito's palette, which colour-blind people can tell apart.
    private static let colours = ["#999999", "#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442"]

    /// Pixels per millisecond.
    private var scale: Double {
        (TimelineChart.width - TimelineChart.labelWidth - 2 * TimelineChart.margin) / max(duration, .leastNonzeroMagnitude)
    }

    /// A lane's spans in rows, so that overlapping ones are below each other.
    private func rows(_ lane: String) -> [[Span]] {
        var rows: [[Span]] = []
        for span in spans.filter({ $0.lane == lane }).sorted(by: { $0.began < $1.began }) {
            if let row = rows.firstIndex(where: { ($0.last?.ended ?? 0) <= span.began }) {
                rows[row].append(span)
            } else {
                rows.append([span])
            }
        }
        return rows
    }

    var svg: String {
        var body: [String] = []
        var y = TimelineChart.top
        for (number, lane) in lanes.enumerated() {
            let rows = rows(lane)
            guard !rows.isEmpty else { continue }
            body.append("<text x=\"\(TimelineChart.margin)\" y=\"\(y + 16)\" font-weight=\"bold\">\(SVG.escaped(lane))</text>")
            for row in rows {
                for span in row { body += draw(span, y, TimelineChart.colours[number % TimelineChart.colours.count]) }
                y += TimelineChart.rowHeight
            }
            y += 8
        }
        let height = y + 30
        let lines =
            [
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(TimelineChart.width) \(height)\" font-family=\"sans-serif\" "
                    + "font-size=\"12\">",
                "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
                "<text x=\"\(TimelineChart.margin)\" y=\"26\" font-size=\"17\" font-weight=\"bold\">\(SVG.escaped(title))</text>",
            ] + axis(y) + body + ["</svg>"]
        return lines.joined(separator: "\n") + "\n"
    }

    private func x(_ time: Double) -> Double { TimelineChart.margin + TimelineChart.labelWidth + time * scale }

    private func draw(_ span: Span, _ y: Double, _ colour: String) -> [String] {
        // Very short spans must stay visible.
        let width = max(span.duration * scale, 1)
        let text = "\(span.name), \(Figure.text(span.duration)) ms"
        var lines = [
            "<rect x=\"\(SVG.rounded(x(span.began)))\" y=\"\(y)\" width=\"\(SVG.rounded(width))\" height=\"\(TimelineChart.rowHeight - 4)\" "
                + "fill=\"\(colour)\" stroke=\"#ffffff\" stroke-width=\"0.5\"><title>\(SVG.escaped(text))</title></rect>"
        ]
        // As much of the name as fits: a letter takes about 6.5 pixels.
        let room = Int((width - 6) / 6.5)
        if room >= 4 {
            lines.append(
                "<text x=\"\(SVG.rounded(x(span.began) + 3))\" y=\"\(y + 14)\">\(SVG.escaped(String(span.name.prefix(room))))</text>")
        }
        return lines
    }

    /// A line every 10 ms, or fewer so that there are at most twelve.
    private func axis(_ bottom: Double) -> [String] {
        let step = [10.0, 20, 50, 100, 200, 500, 1_000].first { duration / $0 <= 12 } ?? 5_000
        return stride(from: 0.0, through: duration, by: step).flatMap { time in
            let x = SVG.rounded(x(time))
            return [
                "<line x1=\"\(x)\" y1=\"\(TimelineChart.top - 8)\" x2=\"\(x)\" y2=\"\(bottom)\" stroke=\"#dddddd\"/>",
                "<text x=\"\(x)\" y=\"\(bottom + 16)\" text-anchor=\"middle\" fill=\"#555555\">\(Int(time)) ms</text>",
            ]
        }
    }
}
