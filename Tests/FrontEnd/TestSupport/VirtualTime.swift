import ACMEClient
import Synchronization

/// A clock that advances only through sleeps. For tests only.
public final class VirtualTime: Timekeeping {
    private let state = Mutex<(now: Duration, slept: [Duration])>((.zero, []))
    private let start: Int64

    /// - Parameter start: Unix seconds at the start.
    public init(start: Int64 = 1_800_000_000) { self.start = start }

    public func unixTime() -> Int64 { start + state.withLock { $0.now.components.seconds } }
    public func uptime() -> Duration { state.withLock { $0.now } }

    public func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        state.withLock { state in
            state.now += duration
            state.slept.append(duration)
        }
        await Task.yield()
    }

    /// Every sleep so far.
    public var slept: [Duration] { state.withLock { $0.slept } }
}
