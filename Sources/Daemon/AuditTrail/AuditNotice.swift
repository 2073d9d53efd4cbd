/// What happens to a trail while it is written, for the daemon's log.
public enum AuditNotice: Sendable, CustomStringConvertible {
    /// A batch could not be written; said once, until it works again.
    case notWritten(AuditError)
    case writtenAgain
    /// The file cannot be trusted any more; a new one is tried.
    case notSynced(AuditError)
    /// The trail goes on in a new file; what its first record says of it.
    case continued(String)
    /// The head could not be written down; said once, until it works again.
    case notRemembered(AuditError)

    public var description: String {
        switch self {
        case .notWritten(let error): "the audit trail cannot be written, nothing is signed: \(error)"
        case .writtenAgain: "the audit trail is written again, signing goes on"
        case .notSynced(let error): "the audit trail cannot be synced, nothing is signed until it goes on in a new file: \(error)"
        case .continued(let detail): "the audit trail goes on in a new file, signing goes on: \(detail)"
        case .notRemembered(let error): "\(error)"
        }
    }

    /// Whether signing goes on by it.
    public var isGood: Bool {
        switch self {
        case .writtenAgain, .continued: true
        case .notWritten, .notSynced, .notRemembered: false
        }
    }
}
