/// When to poll again: in growing steps, unless the CA says when (RFC 8555 §7.5.1), until a deadline.
///
/// Pure: the caller sleeps.
public struct PollingSchedule: Sendable {
    /// The first step. A CA on the same machine needs 5 to 20 ms for a certificate. One that needs seconds is polled
    /// at most six times within the first second, which is no load.
    public static let firstStep: Duration = .milliseconds(25)
    /// The first step after a request that was answered in this time: three times that time, since a CA that answers
    /// fast usually also issues fast. Never more than `firstStep`.
    public static func firstStep(behind request: Duration?) -> Duration {
        guard let request else { return firstStep }
        return min(max(request * 3, shortestWait), firstStep)
    }
    /// The longest wait between two polls, unless the CA asks for more.
    public static let longestStep: Duration = .seconds(5)
    static let growth = 1.7
    /// The shortest first step.
    static let shortestWait: Duration = .milliseconds(5)

    /// What to do next.
    public enum Step: Hashable, Sendable {
        /// Sleep, then poll. `asked` is true if the CA said how long.
        case wait(Duration, asked: Bool)
        /// The deadline has passed, or the CA asks for a wait beyond the limit.
        case giveUp
    }

    private var step: Duration
    private let limit: Duration
    private let deadline: Duration

    /// - Parameters:
    ///   - limit: how long to poll.
    ///   - now: uptime.
    ///   - firstStep: the first wait, if the CA does not give one.
    public init(limit: Duration, now: Duration, firstStep: Duration = PollingSchedule.firstStep) {
        self.limit = limit
        deadline = now + limit
        step = firstStep
    }

    /// - Parameters:
    ///   - retryAfter: the last response's Retry-After, in seconds. It makes a wait longer, never shorter: 0, or a date
    ///     that is past by a wrong clock, must not cause polling without a pause.
    ///   - now: uptime.
    public mutating func next(retryAfter: Int64?, now: Duration) -> Step {
        let remaining = deadline - now
        guard remaining > .zero else { return .giveUp }
        let wait = step
        step = min(step * Self.growth, Self.longestStep)
        guard let retryAfter, retryAfter > 0 else { return .wait(min(wait, remaining), asked: false) }
        // Compared as seconds first: 10^18 does not fit a Duration. A wait within the limit is granted even if part of
        // the time has passed: it is the last one.
        guard retryAfter <= limit.components.seconds else { return .giveUp }
        guard .seconds(retryAfter) > wait else { return .wait(min(wait, remaining), asked: false) }
        return .wait(.seconds(retryAfter), asked: true)
    }
}
