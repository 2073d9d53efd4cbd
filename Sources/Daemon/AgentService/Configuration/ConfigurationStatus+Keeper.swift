import ACME
import AgentInterface
import Glibc
import SigningPolicy

extension ConfigurationKeeper {
    /// Seconds are what an administrator compares with.
    private static let millisecondsInSecond: Int64 = 1_000

    /// What a caller hears of the configuration: nothing without a grant; with one, when it was read and whether all of it is on. Which entries
    /// are off, and why a reload was refused, may name other users and files: that is for root, for the agent's own user, and for those who may
    /// read the audit trail, where it stands too.
    func status(for caller: Caller) -> ConfigurationStatus? {
        let grants = caller.rules.policy.grants(for: caller.peer.identity)
        let knowsAll =
            caller.peer.uid == 0 || caller.peer.uid == geteuid() || grants.contains { $0.operations.contains(.readAudit) }
        guard knowsAll || !grants.isEmpty else { return nil }
        var status = ConfigurationStatus(
            loaded: RFC3339.string(current.loaded / ConfigurationKeeper.millisecondsInSecond), sha256: current.digest,
            off: current.off.count)
        if knowsAll {
            status.entries = current.off.map { ConfigurationStatus.Entry(entry: $0.entry, line: $0.line, message: $0.message) }
            status.reloadError = reloadError
        }
        return status
    }
}
