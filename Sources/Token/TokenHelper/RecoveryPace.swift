/// When a token may be recovered again: at once, then at least 1, 2, 4, … 30 s after the previous time. A device needs
/// time, and a program that hammers a failing one makes it worse (thin-edge #4353). Has no clock: moments are durations
/// since a common start.
struct RecoveryPace: Hashable {
    private var last: Duration?
    private var pause = Duration.zero

    static let firstPause = Duration.seconds(1)
    static let longestPause = Duration.seconds(30)
    /// After this time without a recovery, the next one may start at once.
    static let forgetsAfter = Duration.seconds(60)

    /// Whether a recovery may start now; if so, it counts as started.
    mutating func allows(at now: Duration) -> Bool {
        if let last {
            if now - last >= Self.forgetsAfter { pause = .zero }
            guard now - last >= pause else { return false }
        }
        last = now
        pause = pause == .zero ? Self.firstPause : min(pause * 2, Self.longestPause)
        return true
    }

    /// The token has worked since: the next failure is a new one.
    mutating func reset() {
        last = nil
        pause = .zero
    }
}
