import AuditTrail
import TokenProtocol
import TokenSupervisor

extension AgentService {
    /// The state of the daemon in one sentence, for `systemctl status`: what keeps it from signing first, what is off last.
    var summary: String {
        var troubles: [String] = []
        if let condition = audit.condition { troubles.append("nothing is signed: \(condition)") }
        troubles += tokens.names.compactMap { name in tokens[name].flatMap { AgentService.trouble(name, $0.state) } }
        if let error = configuration.reloadError { troubles.append("the reload was refused: \(error)") }
        if troubles.isEmpty {
            troubles.append(
                "ready: " + AgentService.count(tokens.names.count, "token") + ", "
                    + AgentService.count(configuration.current.rules.policy.grants.count, "grant"))
        }
        // Last: the rest is served.
        let off =
            configuration.current.off.map(\.entry) + configuration.socketFaults.map(\.entry)
            + keys.keyring.unusableKeys.map { "key \"\($0.name)\"" }
        if !off.isEmpty { troubles.append("off: " + off.joined(separator: ", ")) }
        return troubles.joined(separator: "; ")
    }

    private static func trouble(_ name: String, _ state: TokenState) -> String? {
        func text(_ failure: TokenFailure) -> String { failure.message + (failure.hint.map { "; \($0)" } ?? "") }
        return switch state {
        case .unavailable(let failure): "token \(name) unavailable: \(text(failure))"
        case .ready(let information): information.pinFault.map { "token \(name): the next login will fail: \(text($0))" }
        case .starting: "token \(name) is starting"
        case .stopped: nil
        }
    }

    private static func count(_ number: Int, _ noun: String) -> String { number == 1 ? "1 \(noun)" : "\(number) \(noun)s" }
}
