import Glibc

/// Clock and sleep, replaceable in tests.
public protocol Timekeeping: Sendable {
    /// Seconds since 1970-01-01 UTC.
    func unixTime() -> Int64
    /// Time since some fixed moment; never runs backwards.
    func uptime() -> Duration
    /// Waits.
    /// - Throws: `CancellationError` if the task is cancelled.
    func sleep(for duration: Duration) async throws
}

/// The machine's clock.
public struct SystemTime: Timekeeping {
    private static let start = ContinuousClock.now

    /// The one clock.
    public init() {}

    /// Seconds since 1970-01-01 UTC, by CLOCK_REALTIME.
    public func unixTime() -> Int64 {
        var now = timespec()
        return clock_gettime(CLOCK_REALTIME, &now) == 0 ? Int64(now.tv_sec) : 0
    }

    /// Time since the first use of this clock.
    public func uptime() -> Duration { ContinuousClock.now - Self.start }

    /// Waits.
    /// - Throws: `CancellationError` if the task is cancelled.
    public func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
}
