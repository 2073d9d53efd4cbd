import ACME
import CLinux
import CertificateStore
import Glibc
import Issuance

/// systemd's journal, which takes entries with fields in its native protocol
/// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL). What happens to certificates is sent there besides the lines for people,
/// so that the journal can be asked for a certificate, a CA or an error's code (Docs/log.md).
struct SystemJournal: Sendable {
    static let defaultPath = "/run/systemd/journal/socket"

    let path: String

    /// The journal, if lines on a descriptor end up there anyway: systemd says which stream leads there
    /// (`JOURNAL_STREAM`, systemd.exec(5)). `nil` elsewhere, such as on a terminal.
    /// - Parameter variable: Reads the environment.
    static func behind(
        _ descriptor: CInt = STDERR_FILENO, path: String = SystemJournal.defaultPath,
        variable: (String) -> String? = { getenv($0).map { String(cString: $0) } }
    ) -> SystemJournal? {
        guard let stream = variable("JOURNAL_STREAM"), clinux_is_stream(descriptor, stream) else { return nil }
        return SystemJournal(path: path)
    }

    /// Does not wait: if the journal has no room, it has the lines for people all the same.
    func send(_ event: Event) {
        let bytes = event.datagram
        _ = clinux_send_datagram(path, bytes, bytes.count, false)
    }

    /// What happened to a certificate. Names and fields stay as they are.
    struct Event: Sendable, Equatable {
        enum Kind: String, CaseIterable, Sendable {
            /// A certificate was installed for the first time.
            case issued
            case renewed
            /// It was neither issued nor renewed.
            case failed
            /// Its deploy hooks, or root's, have run.
            case deployed
            case hookFailed = "hook-failed"

            /// syslog(3)
            var priority: CInt {
                switch self {
                case .issued, .renewed, .deployed: LOG_NOTICE
                case .failed, .hookFailed: LOG_ERR
                }
            }
        }

        /// Fields of the journal's entry (systemd.journal-fields(7)).
        enum Field: String, CaseIterable, Sendable {
            case event = "ACME_AGENT_EVENT"
            case certificate = "ACME_AGENT_CERTIFICATE"
            /// The URL of the CA's directory.
            case ca = "ACME_AGENT_CA"
            /// The error's, as `--json` has it.
            case code = "ACME_AGENT_CODE"
        }

        let kind: Kind
        let certificate: CertificateName
        var ca: ACMEURL?
        var code: String?
        /// One line, safe for a terminal.
        private let message: String

        init(_ kind: Kind, _ certificate: CertificateName, ca: ACMEURL? = nil) {
            self.kind = kind
            self.certificate = certificate
            self.ca = ca
            message = kind == .deployed ? "ran the deploy hooks of \(certificate)" : "\(kind.rawValue) \(certificate)"
        }

        /// At the installation itself, since a hook that fails ends the command without an outcome.
        init(installed certificate: StoredCertificate) {
            let metadata = certificate.metadata
            self.init(metadata.generation == 1 ? .issued : .renewed, certificate.name, ca: metadata.directory)
        }

        init(_ failure: Failure, of certificate: CertificateName, at ca: ACMEURL? = nil) {
            kind = failure.code == "deploy-failed" ? .hookFailed : .failed
            self.certificate = certificate
            self.ca = ca
            code = failure.code
            message = "\(certificate): \(failure.message)"
        }

        /// As one datagram. No value has a line feed, which would need another form.
        var datagram: [UInt8] {
            var lines = [("MESSAGE", message), ("PRIORITY", "\(kind.priority)"), ("SYSLOG_IDENTIFIER", "acme-agent")]
            let fields: [(Field, String?)] = [
                (.event, kind.rawValue), (.certificate, certificate.rawValue), (.ca, ca?.text), (.code, code),
            ]
            for (field, value) in fields { if let value { lines.append((field.rawValue, value)) } }
            return lines.flatMap { name, value in Array("\(name)=\(TerminalText.safe(value, limit: 4_096))\n".utf8) }
        }
    }
}

extension Output {
    private static let journal = SystemJournal.behind()

    /// Tells the journal, if standard error leads there.
    func record(_ event: SystemJournal.Event) { Output.journal?.send(event) }
}
