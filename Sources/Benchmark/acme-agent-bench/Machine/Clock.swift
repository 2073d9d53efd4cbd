import CMeasurement
import Glibc

/// Time from the kernel's clocks.
enum Clock {
    /// CLOCK_MONOTONIC in nanoseconds.
    static func nanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    static func seconds() -> Double { Double(nanoseconds()) / 1e9 }

    /// CPU time of processes, all threads, in seconds.
    static func processor(_ processes: [pid_t]) -> Double {
        processes.reduce(0) { $0 + Double(max(0, cmeasurement_cpu_time($1))) / 1e9 }
    }

    /// Now, RFC 3339, UTC.
    static func timestamp() -> String {
        var now = time(nil), parts = tm()
        gmtime_r(&now, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }
}
