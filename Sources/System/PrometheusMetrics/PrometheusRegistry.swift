import CoreMetrics
import Synchronization

/// A backend of swift-metrics that keeps its figures in memory and writes them in Prometheus's text format, version
/// 0.0.4.
///
/// Bounded, since some label values are what callers chose: a family takes so many series, and what belongs to further
/// ones is counted together, in one whose label values are `other`. Each family has its own limit. Label values have a
/// longest length.
public final class PrometheusRegistry: MetricsFactory, Sendable {
    /// What is known of a metric before anything is measured.
    public struct Family: Sendable, Hashable {
        /// A metric name of Prometheus: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
        public var name: String
        /// One sentence, for HELP.
        public var help: String
        /// The labels whose values become `other` beyond the limit; `nil` for all. Further labels must have few values.
        public var collapsed: Set<String>?
        /// Upper bounds of a histogram's buckets, ascending, in the metric's unit (seconds for timers).
        public var buckets: [Double]

        public init(_ name: String, _ help: String, collapsed: Set<String>? = nil, buckets: [Double] = Family.seconds) {
            self.name = name
            self.help = help
            self.collapsed = collapsed
            self.buckets = buckets
        }

        /// From a tenth of a millisecond to ten seconds: from a token in this machine to a network HSM that hangs.
        public static let seconds = [
            0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
        ]
    }

    /// The value of labels of the series beyond a family's limit.
    public static let otherSeries = "other"

    private struct Members {
        var kind: SeriesKind
        var family: Family
        var series: [Labels: Series] = [:]
        /// Those of them that count together what is beyond the limit. They take no places.
        var together: Set<Labels> = []
    }

    private struct State {
        var families: [String: Family]
        var members: [String: Members] = [:]
    }

    private let seriesPerFamily: Int
    private let longestValue: Int
    private let state: Mutex<State>

    /// - Parameters:
    ///   - families: Those that have a help text, or buckets of their own. Others can be used, without either.
    ///   - seriesPerFamily: Label combinations that a family tells apart.
    ///   - longestValue: Bytes kept of a label's value.
    public init(_ families: [Family], seriesPerFamily: Int = 500, longestValue: Int = 128) {
        self.seriesPerFamily = max(1, seriesPerFamily)
        self.longestValue = max(1, longestValue)
        state = Mutex(State(families: Dictionary(families.map { ($0.name, $0) }) { first, _ in first }))
    }

    // MARK: MetricsFactory

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter).counter ?? CounterSeries()
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, .gauge).gauge ?? GaugeSeries()
    }

    /// With `aggregate`, the values are a distribution, otherwise the last one counts.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        if aggregate { return series(label, dimensions, .histogram).histogram ?? HistogramSeries(Family.seconds) }
        return series(label, dimensions, .gauge).gauge ?? GaugeSeries()
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions, .histogram).histogram ?? HistogramSeries(Family.seconds)
    }

    // The series of a handler that is released stay: Prometheus wants counters to go on.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    /// Drops the series of a metric: of what may be gone, before its present figures are set.
    public func forget(_ name: String) { state.withLock { $0.members[name] = nil } }

    /// Drops the series of a metric that have this label: what they are about is gone, and their places are free for
    /// others. What is counted together under `other` stays, since a counter must not go back.
    ///
    /// Handlers of the series count no longer; make new ones.
    public func forget(_ name: String, where label: String, is value: String) {
        guard value != Self.otherSeries else { return }
        let longest = longestValue
        state.withLock { state in
            guard let series = state.members[name]?.series else { return }
            let together = state.members[name]?.together ?? []
            state.members[name]?.series = series.filter { together.contains($0.key) || !$0.key.has(label, value, longestValue: longest) }
        }
    }

    /// Finds or makes a series. Of another kind than the family's others, it is not shown.
    private func series(_ name: String, _ dimensions: [(String, String)], _ kind: SeriesKind) -> Series {
        let labels = Labels(dimensions, longestValue: longestValue)
        return state.withLock { state in
            var members = state.members[name] ?? Members(kind: kind, family: state.families[name] ?? Family(name, ""))
            guard members.kind == kind else { return Series(kind, members.family.buckets) }
            if let known = members.series[labels] { return known }
            let isFull = members.series.count - members.together.count >= seriesPerFamily
            let collapsed = members.family.collapsed
            let own =
                isFull
                ? Labels(dimensions.map { ($0.0, collapsed?.contains($0.0) ?? true ? Self.otherSeries : $0.1) }, longestValue: longestValue)
                : labels
            if let known = members.series[own] { return known }
            let new = Series(kind, members.family.buckets)
            members.series[own] = new
            if isFull { members.together.insert(own) }
            state.members[name] = members
            return new
        }
    }

    // MARK: Text

    /// The content type of ``text()``.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// All figures in Prometheus's text format, families and series in the order of their names.
    public func text() -> String {
        let members = state.withLock { $0.members }
        var text = ""
        for (name, members) in members.sorted(by: { $0.key < $1.key }) where !members.series.isEmpty {
            if !members.family.help.isEmpty { text += "# HELP \(name) \(Self.escaped(help: members.family.help))\n" }
            text += "# TYPE \(name) \(members.kind.rawValue)\n"
            for (labels, series) in members.series.sorted(by: { $0.key < $1.key }) { series.write(name, labels, to: &text) }
        }
        return text
    }

    private static func escaped(help: String) -> String {
        var result = ""
        for scalar in help.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
