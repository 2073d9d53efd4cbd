import Measurement

/// What a load found out in the time that it ran.
struct Outcome {
    /// Calls that were answered, and of these the ones that were answered wrongly.
    var calls = 0
    var failures = 0
    /// Seconds from the first measured call to the last.
    var seconds = 0.0
    /// How long each call took, microseconds.
    var latencies: [Float] = []
    /// CPU time of the measured processes in that time, seconds.
    var cpu = 0.0

    /// Calls a second.
    var rate: Double { seconds > 0 ? Double(calls) / seconds : 0 }

    /// The figures of a round under `name`: `.rate` (1/s), `.p50` and `.p99` (µs), `.cpu` (µs a call).
    /// - Throws: if calls failed, or there were none: what failed is no figure.
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
