/// When to ask again: growing steps, unless the CA says when (RFC 8555 §7.5.1), and an end.
///
/// Pure: the caller sleeps.
public struct PollingSchedule: Sendable {
    /// The first step. A CA on the same machine needs 5 to 20 ms for a certificate; one that needs seconds is asked five times within
    /// the first of them, which it does not notice.
    public static let firstStep: Duration = .milliseconds(25)
    /// The first step behind a request that was answered after so long: three times that, since a CA that answers within milliseconds is near and
    /// quick, and one that is busy is so for both. Never more than `firstStep`.
    public static func firstStep(behind request: Duration?) -> Duration {
        guard let request else { return firstStep }
        return min(max(request * 3, shortestWait), firstStep)
    }
    /// No CA's answer is worth more than this much delay.
    public static let longestStep: Duration = .seconds(5)
    static let growth = 1.7
    /// No first step is shorter.
    static let shortestWait: Duration = .milliseconds(5)

    /// What to do next.
    public enum Step: Hashable, Sendable {
        /// Sleep, then ask. `asked` is true where the CA said how long.
        case wait(Duration, asked: Bool)
        /// The time is over, or would be over before the CA wants to be asked again.
        case giveUp
    }

    private var step: Duration
    private let limit: Duration
    private let deadline: Duration

    /// - Parameters:
    ///   - limit: for how long to ask.
    ///   - now: uptime.
    ///   - firstStep: the first wait where the CA does not say one.
    public init(limit: Duration, now: Duration, firstStep: Duration = PollingSchedule.firstStep) {
        self.limit = limit
        deadline = now + limit
        step = firstStep
    }

    /// - Parameters:
    ///   - retryAfter: what the last response's Retry-After said, in seconds. It makes a wait longer, never shorter: 0, or a date that a clock which is
    ///     off takes for one of the past, is no reason to ask without end.
    ///   - now: uptime.
    public mutating func next(retryAfter: Int64?, now: Duration) -> Step {
        let remaining = deadline - now
        guard remaining > .zero else { return .giveUp }
        let wait = step
        step = min(step * Self.growth, Self.longestStep)
        guard let retryAfter, retryAfter > 0 else { return .wait(min(wait, remaining), asked: false) }
        // Compared as seconds first: 10^18 is no Duration. What is allowed as a whole is waited for also where some of it is over: it is the last wait.
        guard retryAfter <= limit.components.seconds else { return .giveUp }
        guard .seconds(retryAfter) > wait else { return .wait(min(wait, remaining), asked: false) }
        return .wait(.seconds(retryAfter), asked: true)
    }
}
