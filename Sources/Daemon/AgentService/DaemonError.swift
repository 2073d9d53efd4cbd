import AuditTrail
import ConfigurationFile
import DurableFile
import Glibc
import Keyring
import StrictJSON

/// Why the daemon cannot start, or a command of it fails, for a person at the terminal.
public struct DaemonError: Error, Sendable {
    /// sysexits.h: EX_CONFIG.
    private static let configurationFault: Int32 = 78
    /// EX_USAGE.
    private static let usageFault: Int32 = 64

    public var message: String
    public var hint: String?
    public var exitCode: Int32

    /// The end of `--check-config` if the file is valid and something that it names is missing.
    public init(offEntries: [String]) {
        message = offEntries.joined(separator: "\nacme-agentd: error: ")
        hint = "the daemon would start and serve the rest; it looks for what is missing again, at least once a minute"
        exitCode = DaemonError.configurationFault
    }

    /// The command line is wrong.
    public init(usage message: String, hint: String?) {
        self.message = message
        self.hint = hint
        exitCode = DaemonError.usageFault
    }

    /// The system does not let the process close its memory.
    init(openMemory code: Int32) {
        message = "the daemon's memory cannot be closed to other processes of its user: \(String(cString: strerror(code)))"
        hint = "something around the daemon forbids prctl(2) or setrlimit(2), such as a system call filter: allow them"
        exitCode = 1
    }

    /// As `acme-agent --json` writes a failure: one object with the member `error`.
    public var json: String {
        let code =
            switch exitCode {
            case DaemonError.usageFault: "usage"
            case DaemonError.configurationFault: "configuration"
            default: "failed"
            }
        var json = JSONWriter()
        json.beginObject()
        json.name("error")
        json.beginObject()
        json.member("code", code)
        json.member("message", message)
        json.member("hint", ifPresent: hint)
        json.member("exitStatus", exitCode)
        json.endObject()
        json.endObject()
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// Any error of the start.
    /// - Parameter configurationFile: The file named on the command line, if any; for the command in a hint.
    public init(_ error: any Error, configurationFile: String? = nil) {
        let acceptance =
            "acme-agentd --accept-audit-trail" + (configurationFile.map { " --config \(DaemonError.shellWord($0))" } ?? "")
        exitCode = 1
        hint = nil
        switch error {
        case let error as DaemonError: self = error
        case let error as ConfigurationError:
            message = error.description
            hint = error.hint
            exitCode = DaemonError.configurationFault
        case let error as BackupError:
            message = error.message
            hint = error.hint
        case let error as ListenError:
            message = error.description
            hint = error.hint
        case let error as AuditError:
            message = error.description
            hint = DaemonError.hint(error.reason, acceptance: "with the daemon stopped, as the agent's user: \(acceptance)")
        case let error as FileError:
            message = error.description
            if error.call == "own" {
                hint = "run it as the agent's user, for example: sudo -u acme-agent \(acceptance)"
            }
        case let error as OwnershipError:
            message = error.description
            hint = "it must belong to root or to the agent's user and be writable by nobody else, and so must every folder above it"
        default: message = "\(error)"
        }
    }

    private static func hint(_ reason: AuditError.Reason, acceptance: String) -> String? {
        switch reason {
        case .locked: "another acme-agentd writes this audit trail; each daemon needs its own state-directory"
        case .missing, .shortened:
            "somebody removed or changed the trail, or its disk is not mounted (see operations.md); restore it, or accept the loss "
                + acceptance
        case .damaged, .malformed:
            "somebody changed the trail, or its disk is failing (see operations.md; acme-agent audit verify reads all of it); restore it, or "
                + "move all of its files away, keep them, and accept the loss " + acceptance
        case .memoryDamaged: "somebody changed that file, or its disk is failing; accept the trail as it is " + acceptance
        case .storageFull: "make room on the disk of the audit trail"
        default: nil
        }
    }

    /// A path as one types it in a shell.
    static func shellWord(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-")...UInt8(ascii: "9"),
                UInt8(ascii: "_"):
                true
            default: false
            }
        }
        if plain, !text.isEmpty { return text }
        return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
