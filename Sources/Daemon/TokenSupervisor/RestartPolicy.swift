import NIOCore

/// When a helper is started again. A state machine without clock.
struct RestartPolicy {
    /// Helpers that died one after another without having been ready once: from then on nobody should wait for one that may never come.
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
