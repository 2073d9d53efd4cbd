/// When a token may be brought back again: at once, then not before 1, 2, 4, … 30 s after the time before. A device needs its time, and a
/// program that hammers a sick one makes it worse (thin-edge #4353). Without clock; moments are durations since one beginning.
struct RecoveryPace: Hashable {
    private var last: Duration?
    private var pause = Duration.zero

    static let firstPause = Duration.seconds(1)
    static let longestPause = Duration.seconds(30)
    /// After so long without one, the next is at once again.
    static let forgetsAfter = Duration.seconds(60)

    /// Whether it may be done now; if so, it counts as done.
    mutating func allows(at now: Duration) -> Bool {
        if let last {
            if now - last >= Self.forgetsAfter { pause = .zero }
            guard now - last >= pause else { return false }
        }
        last = now
        pause = pause == .zero ? Self.firstPause : min(pause * 2, Self.longestPause)
        return true
    }

    /// The token has worked since: what comes now is another trouble.
    mutating func reset() {
        last = nil
        pause = .zero
    }
}
