import ACME
import AgentInterface
import Glibc
import SigningPolicy

extension ConfigurationStatus {
    private static let millisecondsInSecond: Int64 = 1_000

    /// What a caller learns about the configuration: with a grant, when it was read and how many entries are off.
    /// Which entries are off, and why a reload was refused, may name other users and files: only root, the agent's own
    /// user and those who may read the audit trail learn that. Root and the agent's own user need no grant.
    /// - Parameter sockets: Those that could not get their group and mode.
    init?(_ configuration: LoadedConfiguration, sockets: [OffEntry] = [], reloadError: String?, user: UInt32, grants: [Grant]) {
        let knowsAll = ConfigurationStatus.isForAll(user: user, grants: grants)
        guard knowsAll || !grants.isEmpty else { return nil }
        self.init(
            loaded: RFC3339.string(configuration.loaded / ConfigurationStatus.millisecondsInSecond), sha256: configuration.digest,
            off: configuration.off.count + sockets.count)
        guard knowsAll else { return }
        entries = (configuration.off + sockets).map { Entry(entry: $0.entry, line: $0.line, message: $0.message) }
        self.reloadError = reloadError
    }
}

extension ConfigurationStatus {
    /// Whether this user, who has these grants, may know what others are granted.
    fileprivate static func isForAll(user: UInt32, grants: [Grant]) -> Bool {
        user == 0 || user == geteuid() || grants.contains { $0.operations.contains(.readAudit) }
    }
}

extension Caller {
    /// Whether the caller may know what others are granted: root, the agent's own user, and who reads the audit trail.
    var knowsAllGrants: Bool {
        ConfigurationStatus.isForAll(user: peer.uid, grants: rules.policy.grants(for: peer.identity))
    }
}

extension LoadedConfiguration {
    /// The grants that are off, as far as the caller may know. Those that name the caller come with the reason. A
    /// caller without a grant also learns that there are others, since one of them may be the missing one.
    func problems(for peer: Peer, grants: [Grant]) -> [ProblemStatus] {
        let off = off.filter { $0.grant != nil }
        let own = off.filter { entry in entry.peers.contains { $0.covers(peer) } }
        var problems = own.map { ProblemStatus(what: "grant", name: $0.grant ?? "", message: "it names you, and is off: \($0.message)") }
        if grants.isEmpty, off.count > own.count {
            let count = off.count - own.count
            problems.append(
                ProblemStatus(
                    what: "grants", name: "",
                    message: "\(count) in the configuration \(count == 1 ? "is" : "are") off and may be meant for you: "
                        + "the agent's log says why"))
        }
        return problems
    }
}

extension ConfigurationKeeper {
    func problems(for caller: Caller) -> [ProblemStatus] {
        current.problems(for: caller.peer.identity, grants: caller.rules.policy.grants(for: caller.peer.identity))
    }

    func status(for caller: Caller) -> ConfigurationStatus? {
        ConfigurationStatus(
            current, sockets: socketFaults, reloadError: reloadError, user: caller.peer.uid,
            grants: caller.rules.policy.grants(for: caller.peer.identity))
    }
}
