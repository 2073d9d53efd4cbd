import ACME

/// What to do after a failed request. Pure: it counts and returns an action.
struct RetryPolicy: Sendable {
    /// RFC 8555 §6.5 lets a client retry as long as each error brings a fresh nonce. Pebble refuses up to 90 % on
    /// request: the chance that 100 attempts fail by bad luck is 1 in 38,000. This limit stops at a CA that always
    /// refuses its own nonces.
    static let maximumNonceAttempts = 100
    /// The longest wait in seconds that a CA can ask for with Retry-After, over all attempts of one request. Beyond
    /// it, the user is told instead.
    static let longestWait: Int64 = 300
    /// The most waits that a CA can ask for during one request.
    static let maximumWaits = 5
    /// Attempts to reach a CA that is down or unreachable, for requests that change nothing there.
    static let maximumAttempts = 4
    /// The wait after the first failure; doubled each time.
    static let firstBackOff: Duration = .milliseconds(500)
    /// Time limit for all attempts of one request, without the waits that the CA asked for.
    static let patience: Duration = .seconds(120)

    enum Action: Equatable, Sendable {
        case retryNow
        case wait(Duration, reason: String)
        case fail
    }

    private(set) var nonceAttempts = 0
    private var waits = 0
    private var failures = 0
    private var waited: Int64 = 0
    private var deadline: Duration
    /// Whether waits that the CA asks for count against the deadline.
    private let isFirm: Bool

    /// - Parameters:
    ///   - now: uptime.
    ///   - limit: time limit for all attempts, including the waits that the CA asks for; `nil` for `patience`.
    init(now: Duration, within limit: Duration? = nil) {
        deadline = now + min(limit ?? Self.patience, Self.patience)
        isFirm = limit != nil
    }

    /// The time left for the next attempt.
    func timeLeft(_ now: Duration) -> Duration { max(deadline - now, .zero) }

    /// - Parameters:
    ///   - retryAfter: seconds.
    ///   - isRepeatable: whether repeating the request is harmless if the CA has already carried it out.
    ///   - now: uptime.
    mutating func after(status: Int, problem: Problem?, retryAfter: Int64?, isRepeatable: Bool, now: Duration) -> Action {
        if problem?.kind == .badNonce {
            nonceAttempts += 1
            return nonceAttempts < Self.maximumNonceAttempts && now < deadline ? .retryNow : .fail
        }
        // RFC 8555 §6.6: a rate limit comes as 429 or as rateLimited. 503 is an overloaded server (RFC 9110 §15.6.4),
        // which has done nothing.
        let isLimited = status == 429 || problem?.kind == .rateLimited
        if isLimited || status == 503 {
            guard waits < Self.maximumWaits else { return .fail }
            waits += 1
            // Without a stated time a rate limit may last a week: do not wait.
            guard !isLimited || retryAfter != nil else { return .fail }
            return wait(backOff(waits), asked: retryAfter, reason: isLimited ? "the CA's rate limit" : "the CA is busy", now: now)
        }
        guard HTTPResponse.isOutage(status), isRepeatable else { return .fail }
        failures += 1
        guard failures < Self.maximumAttempts else { return .fail }
        return wait(backOff(failures), asked: retryAfter, reason: "the CA is down (HTTP status \(status))", now: now)
    }

    /// - Parameter isRepeatable: whether repeating the request is harmless if the lost one did arrive.
    mutating func after(_ error: TransportError, isRepeatable: Bool, now: Duration) -> Action {
        failures += 1
        guard isRepeatable, error.isTransient, failures < Self.maximumAttempts else { return .fail }
        return wait(backOff(failures), asked: nil, reason: error.description, now: now)
    }

    /// Never waits less than `step`, whatever the CA asks for: 0 and past dates are ignored.
    private mutating func wait(_ step: Duration, asked: Int64?, reason: String, now: Duration) -> Action {
        guard now + step < deadline else { return .fail }
        guard let asked, asked > 0 else { return .wait(step, reason: reason) }
        guard asked <= Self.longestWait - waited else { return .fail }
        guard !isFirm || now + .seconds(asked) < deadline else { return .fail }
        waited += asked
        if !isFirm { deadline += .seconds(asked) }
        return .wait(max(.seconds(asked), step), reason: reason)
    }

    private func backOff(_ attempt: Int) -> Duration { Self.firstBackOff * (1 << min(max(attempt - 1, 0), 6)) }
}
