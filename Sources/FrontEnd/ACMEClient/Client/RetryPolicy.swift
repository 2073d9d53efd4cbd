import ACME

/// What to do after a request that failed. Pure: counts, and answers with an action.
struct RetryPolicy: Sendable {
    /// RFC 8555 §6.5 lets a client try again for as long as each error brings a fresh nonce. Pebble refuses up to 90 % by request: after
    /// 100 attempts the chance of having failed by bad luck is 1 to 38,000. A CA that refuses its own nonces for ever ends here.
    static let maximumNonceAttempts = 100
    /// The longest wait for one request that a CA can ask for by Retry-After, all of its tries together; above, the user is told instead.
    static let longestWait: Int64 = 300
    /// Waits for one request that a CA can ask for.
    static let maximumWaits = 5
    /// Attempts at a CA that is down or cannot be reached, for requests that change nothing there.
    static let maximumAttempts = 4
    /// Wait after the first failure; doubled each time.
    static let firstBackOff: Duration = .milliseconds(500)
    /// All tries of one request together may take so long, not counted what the CA asked to wait.
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
    /// Whether what the CA asks to wait counts, too.
    private let isFirm: Bool

    /// - Parameters:
    ///   - now: uptime.
    ///   - limit: all tries together may take so long, what the CA asks to wait included; `nil` for `patience`.
    init(now: Duration, within limit: Duration? = nil) {
        deadline = now + min(limit ?? Self.patience, Self.patience)
        isFirm = limit != nil
    }

    /// What is left for the next try.
    func timeLeft(_ now: Duration) -> Duration { max(deadline - now, .zero) }

    /// - Parameters:
    ///   - retryAfter: seconds.
    ///   - isRepeatable: whether it does no harm at the CA if it did what it was asked for.
    ///   - now: uptime.
    mutating func after(status: Int, problem: Problem?, retryAfter: Int64?, isRepeatable: Bool, now: Duration) -> Action {
        if problem?.kind == .badNonce {
            nonceAttempts += 1
            return nonceAttempts < Self.maximumNonceAttempts && now < deadline ? .retryNow : .fail
        }
        // RFC 8555 §6.6: rate limits come with 429 or as rateLimited; 503 is any overloaded server (RFC 9110 §15.6.4), which has done nothing.
        let isLimited = status == 429 || problem?.kind == .rateLimited
        if isLimited || status == 503 {
            guard waits < Self.maximumWaits else { return .fail }
            waits += 1
            // Without a time a rate limit may hold for a week: not waited for.
            guard !isLimited || retryAfter != nil else { return .fail }
            return wait(backOff(waits), asked: retryAfter, reason: isLimited ? "the CA's rate limit" : "the CA is busy", now: now)
        }
        guard HTTPResponse.isOutage(status), isRepeatable else { return .fail }
        failures += 1
        guard failures < Self.maximumAttempts else { return .fail }
        return wait(backOff(failures), asked: retryAfter, reason: "the CA is down (HTTP status \(status))", now: now)
    }

    /// - Parameter isRepeatable: whether it does no harm at the CA if the lost request did arrive.
    mutating func after(_ error: TransportError, isRepeatable: Bool, now: Duration) -> Action {
        failures += 1
        guard isRepeatable, error.isTransient, failures < Self.maximumAttempts else { return .fail }
        return wait(backOff(failures), asked: nil, reason: error.description, now: now)
    }

    /// Never shorter than the own step, whatever the CA asks for: 0 and dates that are over mean nothing.
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
