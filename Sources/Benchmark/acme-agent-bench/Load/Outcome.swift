import Measurement

/// The result of a load.
struct Outcome {
    /// Calls that were answered, and how many of these incorrectly.
    var calls = 0
    var failures = 0
    /// Seconds from the first measured call to the last.
    var seconds = 0.0
    /// The time of each call, microseconds.
    var latencies: [Float] = []
    /// CPU time of the measured processes in that time, seconds.
    var cpu = 0.0

    /// Calls per second.
    var rate: Double { seconds > 0 ? Double(calls) / seconds : 0 }

    /// The figures of a round under `name`: `.rate` (1/s), `.p50` and `.p99` (µs), `.cpu` (µs per call).
    /// - Throws: if calls failed, or there were none: a failure is not a figure.
    func figures(_ name: String) throws -> [String: Double] {
        guard failures == 0 else { throw BenchError("\(failures) of \(calls) calls failed") }
        let sorted = latencies.sorted()
        guard calls > 0, let median = sorted.dropFirst(sorted.count / 2).first,
            let late = sorted.dropFirst(min(sorted.count - 1, sorted.count * 99 / 100)).first
        else { throw BenchError("no call was answered") }
        return [
            name + ".rate": rate, name + ".p50": Double(median), name + ".p99": Double(late), name + ".cpu": cpu * 1e6 / Double(calls),
        ]
    }
}
