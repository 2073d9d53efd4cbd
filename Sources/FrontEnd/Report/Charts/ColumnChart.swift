/// Columns along a time axis, each of stacked series. A table beside it must have the same figures: the drawing itself is
/// only an image to those who do not see it.
struct ColumnChart: Sendable {
    struct Bucket: Sendable {
        var label: String
        /// One for each series.
        var values: [UInt64]
    }

    let caption: String
    /// From below.
    let series: [(name: String, fill: Class)]
    let buckets: [Bucket]

    private static let height = 180.0
    /// Of a column's room, left free.
    private static let gap = 0.2

    func write(to markup: inout Markup) {
        let scale = Scale(to: buckets.map(Self.sum).max() ?? 0)
        markup.element(.figure) { figure in
            figure.element(.figcaption, text: caption)
            figure.element(.div, .classes(.chart)) { chart in
                chart.element(.div, .classes(.axis), .hidden) { axis in
                    for value in [scale.end, scale.end / 2, 0] { axis.element(.span, text: Phrase.number(value)) }
                }
                chart.element(.svg, .width(.percent(100)), .height(.pixels(Self.height + 24)), .image, .label(description)) { svg in
                    for row in 0...2 {
                        let y = Attribute.Length.pixels(Self.height * Double(row) / 2)
                        svg.element(.line, .classes(.grid), .x1(.percent(0)), .x2(.percent(100)), .y1(y), .y2(y)) { _ in }
                    }
                    for index in buckets.indices { column(index, scale, &svg) }
                    labels(&svg)
                }
            }
            if series.count > 1 { legend(&figure) }
        }
    }

    private static func sum(_ bucket: Bucket) -> UInt64 {
        bucket.values.reduce(0) { $0.addingReportingOverflow($1).overflow ? .max : $0 &+ $1 }
    }

    private var room: Double { 100 / Double(max(buckets.count, 1)) }

    private func column(_ index: Int, _ scale: Scale, _ svg: inout Markup) {
        var below = 0.0
        for (series, value) in zip(series, buckets[index].values) where value > 0 {
            // What is there is seen, however little it is.
            let height = min(max(scale.share(value) * Self.height, 1), Self.height - below)
            below += height
            svg.element(
                .rect, .classes(series.fill), .x(.percent(Double(index) * room + room * Self.gap / 2)),
                .y(.pixels(Self.height - below)), .width(.percent(room * (1 - Self.gap))), .height(.pixels(height))
            ) { _ in }
        }
    }

    /// The first, the last and one between them: more would not have room on a narrow screen.
    private func labels(_ svg: inout Markup) {
        guard let first = buckets.first, let last = buckets.last else { return }
        let y = Attribute.Length.pixels(Self.height + 18)
        guard buckets.count > 1 else {
            return svg.element(.text, .x(.percent(50)), .y(y), .textAnchor(.middle), text: first.label)
        }
        svg.element(.text, .x(.percent(0)), .y(y), .textAnchor(.start), text: first.label)
        svg.element(.text, .x(.percent(100)), .y(y), .textAnchor(.end), text: last.label)
        guard buckets.count > 4 else { return }
        let middle = buckets.count / 2
        svg.element(
            .text, .x(.percent((Double(middle) + 0.5) * room)), .y(y), .textAnchor(.middle), text: buckets[middle].label)
    }

    private func legend(_ figure: inout Markup) {
        figure.element(.ul, .classes(.legend)) { list in
            for series in series {
                list.element(.li) { item in
                    item.swatch(series.fill)
                    item.element(.span) { $0.foreign(series.name) }
                }
            }
        }
    }

    private var description: String { "\(caption). The table below has the figures." }
}

extension Markup {
    /// A sample of a filling.
    mutating func swatch(_ fill: Class) {
        element(.span, .classes(.swatch), .hidden) { swatch in
            swatch.element(.svg, .width(.pixels(16)), .height(.pixels(12))) { svg in
                svg.element(
                    .rect, .classes(fill), .x(.pixels(0.5)), .y(.pixels(0.5)), .width(.pixels(15)), .height(.pixels(11))
                ) { _ in }
            }
        }
    }

    /// The patterns that tell fillings apart without colours. Once in a document.
    mutating func patterns() {
        element(.svg, .width(.pixels(0)), .height(.pixels(0)), .hidden) { svg in
            svg.element(.defs) { defs in
                for (index, anchor) in Anchor.patterns.enumerated() {
                    let ink = Class.inks[index + 1], size = Attribute.Length.pixels(6)
                    defs.element(.pattern, .id(anchor), .width(size), .height(size), .userSpace) { pattern in
                        pattern.element(.rect, .classes(.ground), .width(size), .height(size)) { _ in }
                        for (x, y, width, height) in Self.strokes[index] {
                            pattern.element(
                                .rect, .classes(ink), .x(.pixels(x)), .y(.pixels(y)), .width(.pixels(width)), .height(.pixels(height))
                            ) { _ in }
                        }
                    }
                }
            }
        }
    }

    /// In squares of 6 pixels: lines across, lines down, dots, a lattice, steps.
    private static let strokes: [[(Double, Double, Double, Double)]] = [
        [(0, 0, 6, 3)], [(0, 0, 3, 6)], [(0, 0, 3, 3), (3, 3, 3, 3)], [(0, 0, 6, 2), (0, 0, 2, 6)],
        [(0, 0, 2, 2), (2, 2, 2, 2), (4, 4, 2, 2)],
    ]
}
