import Synchronization

/// How long calls stay in the server, measured inside it: from the read of a call's last bytes to the start of the
/// write of its answer. For the benchmark, since a load generator on the same CPUs would also measure itself.
///
/// One histogram per user, with buckets a sixteenth of a power of two wide: a quantile is off by at most a sixteenth.
package final class VarlinkLatency: Sendable {
    private struct Histogram {
        var counts = [UInt64](repeating: 0, count: VarlinkLatency.buckets)
        var total: UInt64 = 0
        var longest: UInt64 = 0
    }

    /// 64 powers of two, 16 buckets each.
    private static let buckets = 64 * 16
    private let users = Mutex<[UInt64: Histogram]>([:])

    package init() {}

    package func record(user: UInt64, nanoseconds: UInt64) {
        users.withLock { users in
            var histogram = users.removeValue(forKey: user) ?? Histogram()
            histogram.counts[VarlinkLatency.bucket(of: nanoseconds)] += 1
            histogram.total += 1
            histogram.longest = max(histogram.longest, nanoseconds)
            users[user] = histogram
        }
    }

    /// Discards what was measured so far.
    package func reset() { users.withLock { $0 = [:] } }

    package struct Summary: Sendable {
        package let user: UInt64
        package let calls: UInt64
        /// Nanoseconds.
        package let p50, p99, p999, longest: UInt64
    }

    /// The measurements, one entry per user.
    package var summaries: [Summary] {
        users.withLock { users in
            users.sorted { $0.key < $1.key }.map { user, histogram in
                func quantile(_ share: Double) -> UInt64 {
                    let wanted = UInt64(Double(histogram.total) * share)
                    var seen: UInt64 = 0
                    for (index, count) in histogram.counts.enumerated() {
                        seen += count
                        if seen > wanted { return min(VarlinkLatency.value(of: index), histogram.longest) }
                    }
                    return histogram.longest
                }
                return Summary(
                    user: user, calls: histogram.total, p50: quantile(0.5), p99: quantile(0.99), p999: quantile(0.999),
                    longest: histogram.longest)
            }
        }
    }

    private static func bucket(of value: UInt64) -> Int {
        guard value >= 16 else { return Int(value) }
        let power = 63 - value.leadingZeroBitCount
        return power * 16 + Int((value >> UInt64(power - 4)) & 15)
    }

    /// The upper end of a bucket.
    private static func value(of bucket: Int) -> UInt64 {
        guard bucket >= 64 else { return UInt64(bucket) }
        let power = UInt64(bucket / 16)
        return (1 << power) + (UInt64(bucket % 16 + 1) << (power - 4)) - 1
    }
}

/// When the calls of one connection were read, if that is measured.
struct CallTimes {
    private var lastRead: UInt64 = 0
    private var begun: UInt64 = 0
    private var answered: [UInt64] = []

    mutating func read(at moment: UInt64) { lastRead = moment }

    /// The current call came with the last read.
    mutating func begin() { begun = lastRead }

    mutating func finish() { answered.append(begun) }

    mutating func written(_ latency: VarlinkLatency, at moment: UInt64, user: UInt64) {
        for read in answered { latency.record(user: user, nanoseconds: moment &- read) }
        answered.removeAll(keepingCapacity: true)
    }
}
