import AuditTrail
import ConfigurationFile
import DurableFile
import Keyring

/// What keeps the daemon from starting, as a person at the terminal reads it.
public struct DaemonError: Error, Sendable {
    /// sysexits.h: EX_CONFIG.
    private static let configurationFault: Int32 = 78

    public var message: String
    public var hint: String?
    public var exitCode: Int32

    /// What `--check-config` ends with where all is said right and something that it names is missing.
    public init(offEntries: [String]) {
        message = offEntries.joined(separator: "\nacme-agentd: error: ")
        hint = "the daemon would start and serve the rest; it looks for what is missing again, at least once a minute"
        exitCode = DaemonError.configurationFault
    }

    /// Any error of the start.
    public init(_ error: any Error) {
        exitCode = 1
        hint = nil
        switch error {
        case let error as DaemonError: self = error
        case let error as ConfigurationError:
            message = error.description
            hint = error.hint
            exitCode = DaemonError.configurationFault
        case let error as ListenError:
            message = error.description
            hint = error.hint
        case let error as AuditError:
            message = error.description
            if error.reason == .locked { hint = "another acme-agentd writes this audit trail; each daemon needs its own state-directory" }
            if error.reason == .missing || error.reason == .shortened {
                hint = "somebody removed or changed the trail, or its disk is not mounted; Docs/operations.md says what can be done"
            }
            if error.reason == .storageFull { hint = "make room on the disk of the audit trail" }
        case let error as FileError:
            message = error.description
            if error.call == "own" {
                hint = "run it as the user of the agent, for example: sudo -u acme-agent acme-agentd --accept-audit-trail"
            }
        case let error as OwnershipError:
            message = error.description
            hint = "it must belong to root or to the agent's user and be writable by nobody else, and so must every folder above it"
        default: message = "\(error)"
        }
    }
}
