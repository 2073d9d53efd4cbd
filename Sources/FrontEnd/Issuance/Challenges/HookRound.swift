import ACME
import Synchronization

/// The challenges of one order, as certbot tells its manual hooks about them: how many are still to come, and what the
/// program printed for each.
final class HookRound: Sendable {
    private struct State {
        var domains: [String] = []
        var started = 0
        var ended = 0
        /// By token: what the program got.
        var variables: [String: [String: String]] = [:]
    }
    private let state = Mutex(State())
    private let ends = EventCounter()

    func begin(_ domains: [String]) { state.withLock { $0 = State(domains: domains) } }

    /// The variables for the next program.
    func variables(_ domain: String, _ value: String) -> [String: String] {
        state.withLock { state in
            // Without an announcement this one is all that there is.
            if state.started >= state.domains.count { state.domains.append(domain) }
            state.started += 1
            return [
                "CERTBOT_DOMAIN": domain, "CERTBOT_VALIDATION": value, "CERTBOT_ALL_DOMAINS": state.domains.joined(separator: ","),
                "CERTBOT_REMAINING_CHALLENGES": "\(state.domains.count - state.started)",
            ]
        }
    }

    /// A program has ended well.
    func end(_ token: String, _ variables: [String: String], output: String) {
        state.withLock { state in
            state.ended += 1
            state.variables[token] = variables.merging(["CERTBOT_AUTH_OUTPUT": output]) { _, new in new }
        }
        ends.increment()
    }

    /// The variables for cleaning up. After a crash what the program printed is not known.
    func cleanUpVariables(_ token: String, _ domain: String, _ value: String) -> [String: String] {
        state.withLock { $0.variables.removeValue(forKey: token) }
            ?? [
                "CERTBOT_DOMAIN": domain, "CERTBOT_VALIDATION": value, "CERTBOT_ALL_DOMAINS": domain,
                "CERTBOT_REMAINING_CHALLENGES": "0", "CERTBOT_AUTH_OUTPUT": "",
            ]
    }

    /// Returns when the programs of all challenges have ended: many wait for slow servers only in the last one. Also
    /// returns when the task is cancelled, as it is if one of them fails.
    /// - Parameter limit: of one program. They run one after another, also those of other orders.
    /// - Returns: whether all have ended; `false` if none has for twice as long as one may take.
    func waitForAll(limit: Duration) async -> Bool {
        while !Task.isCancelled {
            let seen = ends.count
            if state.withLock({ $0.ended >= $0.domains.count }) { return true }
            guard await ends.wait(past: seen, limit: limit * 2) > seen else { break }
        }
        return false
    }
}
