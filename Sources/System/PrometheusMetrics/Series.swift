import CoreMetrics
import Synchronization

/// The types of Prometheus's text format that are used.
enum SeriesKind: String {
    case counter, gauge, histogram
}

/// The figures of one combination of labels.
enum Series {
    case counter(CounterSeries)
    case gauge(GaugeSeries)
    case histogram(HistogramSeries)

    init(_ kind: SeriesKind, _ buckets: [Double]) {
        switch kind {
        case .counter: self = .counter(CounterSeries())
        case .gauge: self = .gauge(GaugeSeries())
        case .histogram: self = .histogram(HistogramSeries(buckets))
        }
    }

    var counter: CounterSeries? { if case .counter(let series) = self { series } else { nil } }
    var gauge: GaugeSeries? { if case .gauge(let series) = self { series } else { nil } }
    var histogram: HistogramSeries? { if case .histogram(let series) = self { series } else { nil } }

    func write(_ name: String, _ labels: Labels, to text: inout String) {
        switch self {
        case .counter(let series): text += "\(name)\(labels.text()) \(series.value)\n"
        case .gauge(let series): text += "\(name)\(labels.text()) \(Self.number(series.value))\n"
        case .histogram(let series):
            let (bounds, counts, sum) = series.figures
            var total: UInt64 = 0
            for (index, count) in counts.enumerated() {
                total &+= count
                let bound = index < bounds.count ? Self.number(bounds[index]) : "+Inf"
                text += "\(name)_bucket\(labels.text(and: ("le", bound))) \(total)\n"
            }
            text += "\(name)_sum\(labels.text()) \(Self.number(sum))\n\(name)_count\(labels.text()) \(total)\n"
        }
    }

    /// As Go's `strconv.ParseFloat` reads it.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let whole = Int64(exactly: value) { return "\(whole)" }
        return "\(value)"
    }
}

final class CounterSeries: CounterHandler {
    private let count = Atomic<UInt64>(0)

    var value: UInt64 { count.load(ordering: .relaxed) }

    /// A counter only grows.
    func increment(by amount: Int64) {
        guard let amount = UInt64(exactly: amount) else { return }
        count.wrappingAdd(amount, ordering: .relaxed)
    }

    func reset() { count.store(0, ordering: .relaxed) }
}

final class GaugeSeries: MeterHandler, RecorderHandler {
    private let current = Mutex(0.0)

    var value: Double { current.withLock { $0 } }

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { current.withLock { $0 = value } }
    func increment(by amount: Double) { current.withLock { $0 += amount } }
    func decrement(by amount: Double) { current.withLock { $0 -= amount } }
    func record(_ value: Int64) { set(value) }
    func record(_ value: Double) { set(value) }
}

final class HistogramSeries: TimerHandler, RecorderHandler {
    private struct Figures {
        /// One more than there are bounds.
        var counts: [UInt64]
        var sum = 0.0
    }

    private let bounds: [Double]
    private let state: Mutex<Figures>

    init(_ bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(Figures(counts: [UInt64](repeating: 0, count: bounds.count + 1)))
    }

    /// The bounds, what is in each bucket alone, and the sum of all values.
    var figures: (bounds: [Double], counts: [UInt64], sum: Double) { state.withLock { (bounds, $0.counts, $0.sum) } }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        guard !value.isNaN else { return }
        // A bound belongs to its bucket ("le"). A few comparisons: most values are small.
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock {
            $0.counts[bucket] &+= 1
            $0.sum += value
        }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
}
