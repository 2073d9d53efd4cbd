import NIOCore

/// When a helper whose token cannot be used is asked to try again: soon, then 1, 2, 4, … 30 s after the previous time.
/// The helper makes sure that a PIN that was judged before is not tried again. In between, every 2 s, it is asked for a
/// look, which costs the token little: no C_Finalize until something has changed. So a token that comes back after a long
/// time is in use within seconds. Has no clock.
struct RecheckPace {
    private let limits: SupervisorLimits
    private var pause: TimeAmount
    /// What is left of the pause.
    private var rest: TimeAmount

    static let first = TimeAmount.milliseconds(100)
    static let second = TimeAmount.seconds(1)

    init(limits: SupervisorLimits) {
        self.limits = limits
        pause = min(RecheckPace.first, limits.recheck)
        rest = pause
    }

    /// - Returns: How long to wait, and whether to try everything then, with C_Finalize and C_Initialize, or only to
    ///   look.
    mutating func next() -> (wait: TimeAmount, isWhole: Bool) {
        if rest > limits.look {
            rest = rest - limits.look
            return (limits.look, false)
        }
        let wait = rest
        pause = min(max(pause * 2, RecheckPace.second), limits.recheck)
        rest = pause
        return (wait, true)
    }
}

/// When a helper is restarted. A state machine without clock.
struct RestartPolicy {
    /// Helpers that died in a row without ever being ready: after that, callers no longer wait for the next one.
    static let hopelessAfter = 4

    private let limits: SupervisorLimits
    private var pause: TimeAmount
    private var neverReady = 0

    init(limits: SupervisorLimits) {
        self.limits = limits
        pause = limits.firstPause
    }

    /// Whether those who wait should be told that there is no helper.
    var isHopeless: Bool { neverReady >= RestartPolicy.hopelessAfter }

    mutating func becameReady() { neverReady = 0 }

    /// - Returns: How long to wait before the next start.
    mutating func ended(after lifetime: TimeAmount, wasReady: Bool) -> TimeAmount {
        if !wasReady { neverReady += 1 }
        if lifetime >= limits.wellAfter { pause = limits.firstPause }
        let wait = pause
        pause = min(pause * 2, limits.longestPause)
        return wait
    }
}
