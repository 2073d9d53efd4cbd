import NIOCore
import TokenProtocol

/// Since when the token has failed requests with a key. So a request that comes early in an outage can wait for its end,
/// and one that comes when the outage has lasted longer than its caller waits can fail at once. Has no clock.
struct OutageMemory {
    private struct Outage {
        let since: NIODeadline
        var last: NIODeadline
    }

    private var outages: [TokenKeyReference: Outage] = [:]

    /// The pause before a failed request is tried again, at first and at most; it doubles with each failure.
    static let firstPause = TimeAmount.milliseconds(100)
    static let longestPause = TimeAmount.seconds(1)
    /// A failure after this time without one is a new outage.
    static let forgetsAfter = TimeAmount.seconds(60)
    /// A fault of the token concerns its keys in use, and seldom more than a few hundred are.
    static let mostKeys = 1_024

    static func pause(afterFailures count: Int) -> TimeAmount {
        min(firstPause * (1 << min(max(count - 1, 0), 8)), longestPause)
    }

    var isEmpty: Bool { outages.isEmpty }

    mutating func failed(_ key: TokenKeyReference, now: NIODeadline) {
        if let outage = outages[key], now - outage.last < OutageMemory.forgetsAfter {
            outages[key]?.last = now
            return
        }
        if outages.count >= OutageMemory.mostKeys { outages.removeAll(keepingCapacity: true) }
        outages[key] = Outage(since: now, last: now)
    }

    mutating func worked(_ key: TokenKeyReference) {
        // Nearly always there is nothing to forget.
        if !outages.isEmpty { outages[key] = nil }
    }

    /// How long requests with this key have failed; zero if the last one did not.
    func age(_ key: TokenKeyReference, now: NIODeadline) -> TimeAmount {
        guard let outage = outages[key], now - outage.last < OutageMemory.forgetsAfter else { return .zero }
        return now - outage.since
    }
}

extension TokenFailure {
    /// Whether the same request may succeed in a moment, without a change to the request, the configuration or the PIN.
    var mayPass: Bool {
        switch kind {
        case .device, .sessionLost, .noToken: true
        case .pinIncorrect, .pinLocked, .pinNotTriedAgain, .pinUnavailable, .severalTokens, .noKey, .severalKeys, .keyMismatch,
            .unsupported, .moduleNotLoaded, .moduleUntrusted, .helperDied, .timeout, .overloaded, .invalidRequest, .tokenFull,
            .keyRejected, .stopped:
            false
        }
    }
}
