/// What happens to a trail while it is written, for the daemon's log.
public enum AuditNotice: Sendable, CustomStringConvertible {
    /// A batch could not be written; reported once, until it works again.
    case notWritten(AuditError)
    case writtenAgain
    /// The file can no longer be trusted; a new one is tried.
    case notSynced(AuditError)
    /// The trail continues in a new file; what its first record says about it.
    case continued(String)
    /// The head could not be stored; reported once, until it works again.
    case notRemembered(AuditError)

    public var description: String {
        switch self {
        case .notWritten(let error): "the audit trail cannot be written; nothing is signed: \(error)"
        case .writtenAgain: "the audit trail is written again; signing resumes"
        case .notSynced(let error): "the audit trail cannot be synced; nothing is signed until it continues in a new file: \(error)"
        case .continued(let detail): "the audit trail continues in a new file; signing resumes: \(detail)"
        case .notRemembered(let error): "\(error)"
        }
    }

    /// Whether signing resumes with it.
    public var isGood: Bool {
        switch self {
        case .writtenAgain, .continued: true
        case .notWritten, .notSynced, .notRemembered: false
        }
    }
}
