import NIOCore
import NIOPosix
import Synchronization

/// Counts the rounds of an event loop: in each, it checks its sockets once and runs the resulting tasks.
///
/// Give it to the loop's group as `metricsDelegate` and to the server: turns between users then follow rounds instead
/// of the clock.
public final class LoopRounds: NIOEventLoopMetricsDelegate {
    private let count = Atomic<UInt64>(0)

    /// Counts from 0.
    public init() {}

    /// Rounds that have ended.
    public var ended: UInt64 { count.load(ordering: .relaxed) }

    /// For the loop's group alone.
    public func processedTick(info: NIOEventLoopTickInfo) { count.wrappingAdd(1, ordering: .relaxed) }
}

/// How long to wait until the loop has checked its sockets: it does not while tasks add tasks, or while a timer is due
/// again before the check. The time depends on the machine, so a pause that was too short is followed by one of twice
/// the length: with a fixed length, a loop that takes longer for a task would never check again.
struct RoundPause {
    /// The first and the longest pause. A loop that takes longer for a single task serves no one anyway.
    static let lengths = TimeAmount.microseconds(4)...TimeAmount.milliseconds(64)

    private let rounds: LoopRounds?
    private let uncounted: TimeAmount
    private var length = RoundPause.lengths.lowerBound
    private var begunIn = UInt64.max

    /// - Parameter uncounted: The length if rounds are not counted.
    init(rounds: LoopRounds?, uncounted: TimeAmount) {
        self.rounds = rounds
        self.uncounted = uncounted
    }

    /// Begins a pause.
    /// - Returns: The pause's length.
    mutating func begin() -> TimeAmount {
        guard let rounds else { return uncounted }
        begunIn = rounds.ended
        return length
    }

    /// At the end of a pause: whether the loop has checked its sockets meanwhile. If not, begin another pause.
    mutating func hasLooked() -> Bool {
        guard let rounds, rounds.ended == begunIn else {
            length = RoundPause.lengths.lowerBound
            return true
        }
        length = min(length * 2, RoundPause.lengths.upperBound)
        return false
    }
}
