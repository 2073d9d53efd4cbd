import NIOCore

/// How often helpers of one token may report, unasked, that the token is gone or back: `limits.notices` times at once,
/// and once more after each `limits.noticePause`. Each report makes the daemon work: it writes lines, counts, and has
/// keys looked up. Belongs to the token and not to one helper, so that a restart does not renew it. Has no clock.
struct NoticeAllowance {
    private let limits: SupervisorLimits
    private var left: Int
    /// Until when what is left has been counted.
    private var counted: NIODeadline

    init(limits: SupervisorLimits, now: NIODeadline) {
        self.limits = limits
        left = limits.notices
        counted = now
    }

    /// - Returns: Whether one more report is allowed now; it then counts.
    mutating func take(now: NIODeadline) -> Bool {
        let pause = max(1, limits.noticePause.nanoseconds)
        let earned = max(0, (now - counted).nanoseconds) / pause
        if earned > 0 {
            left = min(limits.notices, left + Int(min(earned, Int64(limits.notices))))
            counted = counted + .nanoseconds(earned * pause)
        }
        guard left > 0 else { return false }
        left -= 1
        return true
    }
}
