import Measurement
import StrictJSON

/// The steps of one issuance, from the start of the program to its end.
struct IssuanceTrace {
    let spans: [TimelineChart.Span]
    /// Milliseconds.
    let duration: Double

    /// From top to bottom: in the order in which an issuance reaches them.
    static let lanes = ["program", "agent", "CA", "store", "challenge", "pause"]

    /// - Parameters:
    ///   - json: the output of `--timings`.
    ///   - began: the time before the program was started, CLOCK_MONOTONIC in nanoseconds.
    ///   - ended: the time after it ended.
    init(json: [UInt8], began: UInt64, ended: UInt64) throws {
        func milliseconds(_ time: Int64) -> Double { Double(time - Int64(began)) / 1e6 }
        let root = try JSONDocument(parsing: json).root.object()
        let first = milliseconds(try root.integer("began")), last = milliseconds(try root.integer("ended"))
        duration = milliseconds(Int64(ended))
        var spans = [
            TimelineChart.Span(lane: "program", name: "start", began: 0, ended: first),
            TimelineChart.Span(lane: "program", name: "end", began: last, ended: duration),
        ]
        for value in try root.array("steps") {
            let step = try value.object()
            spans.append(
                TimelineChart.Span(
                    lane: try step.string("party"), name: IssuanceTrace.shown(try step.string("name")),
                    began: milliseconds(try step.integer("began")), ended: milliseconds(try step.integer("ended"))))
        }
        self.spans = spans.sorted { $0.began < $1.began }
    }

    /// Pebble's random names of orders and challenges carry no information.
    private static func shown(_ name: String) -> String {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count > 2 ? parts[..<2].joined(separator: "/") : name
    }

    var chart: TimelineChart {
        TimelineChart(
            title: "One issuance, \(Figure.text(duration)) ms: what is waited for, and when", lanes: IssuanceTrace.lanes, spans: spans,
            duration: duration)
    }

    /// Milliseconds in which this lane was busy, with one or several spans.
    private func busy(_ lane: String) -> Double {
        var sum = 0.0, end = 0.0
        for span in spans where span.lane == lane {
            sum += max(0, span.ended - max(span.began, end))
            end = max(end, span.ended)
        }
        return sum
    }

    /// Milliseconds in which only the front end itself was busy.
    private var own: Double {
        var sum = 0.0, end = 0.0
        for span in spans {
            sum += max(0, span.began - end)
            end = max(end, span.ended)
        }
        return sum + max(0, duration - end)
    }

    var markdown: String {
        var lines = ["| step | waits for | from ms | takes ms |", "|---|---|---:|---:|"]
        for span in spans {
            lines.append("| \(span.name) | \(span.lane) | \(Figure.text(span.began)) | \(Figure.text(span.duration)) |")
        }
        lines += ["", "| waits for | ms of \(Figure.text(duration)) |", "|---|---:|"]
        for lane in IssuanceTrace.lanes { lines.append("| \(lane) | \(Figure.text(busy(lane))) |") }
        lines.append("| nothing: the front end computes | \(Figure.text(own)) |")
        return lines.joined(separator: "\n") + "\n"
    }
}
