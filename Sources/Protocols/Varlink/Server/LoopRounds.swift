import NIOPosix
import Synchronization

/// Counts the rounds of an event loop: in each it looks at its sockets once and runs the tasks that follow from that.
///
/// Give it to the loop's group as `metricsDelegate` and to the server: turns between users are then taken by rounds, and not by the clock.
public final class LoopRounds: NIOEventLoopMetricsDelegate {
    private let count = Atomic<UInt64>(0)

    public init() {}

    /// Rounds that have ended.
    public var ended: UInt64 { count.load(ordering: .relaxed) }

    public func processedTick(info: NIOEventLoopTickInfo) { count.wrappingAdd(1, ordering: .relaxed) }
}
