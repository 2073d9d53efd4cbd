import ACME

/// What to do after a request that failed. Pure: counts, and answers with an action.
struct RetryPolicy: Sendable {
    /// RFC 8555 §6.5 lets a client try again for as long as each error brings a fresh nonce. Pebble refuses up to 90 % by request: after
    /// 100 attempts the chance of having failed by bad luck is 1 to 38,000. A CA that refuses its own nonces for ever ends here.
    static let maximumNonceAttempts = 100
    /// The longest wait for one request that a CA can ask for by Retry-After; above, the user is told instead.
    static let longestWait: Int64 = 300
    /// Waits for one request that a CA can ask for.
    static let maximumWaits = 5
    /// Attempts at reaching the CA, for requests that change nothing there.
    static let maximumConnections = 4
    /// Wait after a 503 without Retry-After, and after the first failed connection; doubled each time.
    static let firstBackOff: Duration = .milliseconds(500)

    enum Action: Equatable, Sendable {
        case retryNow
        case wait(Duration, reason: String)
        case fail
    }

    private(set) var nonceAttempts = 0
    private var waits = 0
    private var connections = 0

    /// - Parameter retryAfter: seconds.
    mutating func after(status: Int, problem: Problem?, retryAfter: Int64?) -> Action {
        if problem?.kind == .badNonce {
            nonceAttempts += 1
            return nonceAttempts < Self.maximumNonceAttempts ? .retryNow : .fail
        }
        // RFC 8555 §6.6: rate limits come with 429 or as rateLimited; 503 is any overloaded server (RFC 9110 §15.6.4).
        let isBusy = status == 503 && problem?.kind != .rateLimited
        guard status == 429 || status == 503 || problem?.kind == .rateLimited, waits < Self.maximumWaits else { return .fail }
        waits += 1
        let reason = isBusy ? "the CA is busy" : "the CA's rate limit"
        if let retryAfter {
            return retryAfter <= Self.longestWait ? .wait(.seconds(max(retryAfter, 1)), reason: reason) : .fail
        }
        // Without a time a rate limit may hold for a week: not waited for.
        return isBusy ? .wait(backOff(waits), reason: reason) : .fail
    }

    /// - Parameter isRepeatable: whether it does no harm at the CA if the lost request did arrive.
    mutating func after(_ error: TransportError, isRepeatable: Bool) -> Action {
        connections += 1
        guard isRepeatable, error.isTransient, connections < Self.maximumConnections else { return .fail }
        return .wait(backOff(connections), reason: error.description)
    }

    private func backOff(_ attempt: Int) -> Duration { Self.firstBackOff * (1 << min(max(attempt - 1, 0), 6)) }
}
