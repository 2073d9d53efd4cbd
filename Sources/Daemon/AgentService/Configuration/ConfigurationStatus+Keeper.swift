import ACME
import AgentInterface
import Glibc
import SigningPolicy

extension ConfigurationStatus {
    private static let millisecondsInSecond: Int64 = 1_000

    /// What a caller hears of the configuration: nothing without a grant; with one, when it was read and whether all of it is on. Which entries
    /// are off, and why a reload was refused, may name other users and files: that is for root, for the agent's own user, and for those who may
    /// read the audit trail, where it stands too.
    init?(_ configuration: LoadedConfiguration, reloadError: String?, user: UInt32, grants: [Grant]) {
        let knowsAll = user == 0 || user == geteuid() || grants.contains { $0.operations.contains(.readAudit) }
        guard knowsAll || !grants.isEmpty else { return nil }
        self.init(
            loaded: RFC3339.string(configuration.loaded / ConfigurationStatus.millisecondsInSecond), sha256: configuration.digest,
            off: configuration.off.count)
        guard knowsAll else { return }
        entries = configuration.off.map { Entry(entry: $0.entry, line: $0.line, message: $0.message) }
        self.reloadError = reloadError
    }
}

extension ConfigurationKeeper {
    func status(for caller: Caller) -> ConfigurationStatus? {
        ConfigurationStatus(
            current, reloadError: reloadError, user: caller.peer.uid, grants: caller.rules.policy.grants(for: caller.peer.identity))
    }
}
