import ACME
import CertificateStore
import Issuance
import StrictJSON

/// What a command did for the renewals of certificates.
struct RenewalReport: Sendable {
    var renewed: [IssuanceOutcome] = []
    var notDue: [StoredCertificate] = []
    var failed: [(name: CertificateName, failure: Failure)] = []
    /// Due, but no ACME CA renews them.
    var toRequest: [StoredCertificate] = []
    /// Due, but not tried.
    var postponed: [RenewalScheduler.Postponed] = []
    /// What keeps certificates that are not due from being renewed when they are.
    var warnings: [Warning] = []
    /// Whether the agent has answered: when it was asked for keys and grants, or since then.
    var hasAgentAnswered = false
    /// The CAs' windows for what is not due.
    var windows: [CertificateName: RenewalRecord.Window] = [:]

    /// What does not fail now, and will.
    struct Warning: Sendable, Equatable {
        /// The certificate; `nil` for all of them.
        var name: CertificateName?
        /// As of a `Failure`.
        var code: String
        /// The command's, if nothing fails.
        var status: ExitStatus
        /// A sentence in lower case without a full stop; safe for a terminal.
        var message: String
        var hint: String?

        /// That no grant lets this user renew a certificate.
        init(_ name: CertificateName, _ lack: RenewalGrants.Lack) {
            self.init(
                name: name, code: "not-granted", status: .attention, message: "its renewal would be refused: \(lack.message)",
                hint: lack.hint)
        }

        init(name: CertificateName?, code: String, status: ExitStatus, message: String, hint: String?) {
            self.name = name
            self.code = code
            self.status = status
            self.message = message
            self.hint = hint
        }

        /// With the certificate's name in front.
        var text: String { (name.map { "\($0): " } ?? "") + message }

        /// Prints them, even with `--quiet`. A policy without a grant would fill a screen.
        static func print(_ warnings: [Warning], _ output: Output) {
            for warning in warnings.prefix(mostShown) { output.warning(warning.text, hint: warning.hint) }
            guard warnings.count > mostShown else { return }
            output.warning(
                "\(Wording.count(warnings.count - mostShown, "further certificate")) could not be renewed", hint: "acme-agent list")
        }

        private static let mostShown = 8

        static func write(_ warnings: [Warning], to json: inout JSONWriter) {
            json.beginArray()
            for warning in warnings {
                json.beginObject()
                json.member("name", ifPresent: warning.name?.rawValue)
                json.member("code", warning.code)
                json.member("message", warning.message)
                json.member("hint", ifPresent: warning.hint)
                json.endObject()
            }
            json.endArray()
        }

        /// The status of a command in which nothing failed: that of the worst, an agent that does not answer first.
        static func status(_ warnings: [Warning]) -> ExitStatus? {
            warnings.first { $0.status == .agentUnavailable }?.status ?? warnings.first?.status
        }
    }

    private var isSilenceTold: Bool { failed.contains { $0.failure.exitStatus == .agentUnavailable } }

    /// The warnings, but not that of the agent's silence where a failure has told it, or where it has answered since.
    var openWarnings: [Warning] {
        isSilenceTold || hasAgentAnswered ? warnings.filter { $0.status != .agentUnavailable } : warnings
    }

    /// What is wrong after this round, with what earlier ones have said of an agent that has not answered since; and
    /// whether it has answered now for the first time after that.
    func standing(after earlier: [Warning]) -> (warnings: [Warning], isAgentBack: Bool) {
        let silence = earlier.filter { $0.status == .agentUnavailable }
        if hasAgentAnswered, !isSilenceTold { return (openWarnings, !silence.isEmpty) }
        return (warnings + silence.filter { !warnings.contains($0) }, false)
    }

    /// Reports one certificate's failure; the others continue.
    /// - Parameter ca: where it failed, if it did at a CA.
    mutating func add(_ failure: Failure, of name: CertificateName, at ca: ACMEURL? = nil, _ output: Output) {
        failed.append((name, failure))
        output.reportPart(failure, of: name.rawValue)
        // Another run that works on the certificate tells what comes of it.
        if failure.code != "store-locked" { output.record(SystemJournal.Event(failure, of: name, at: ca)) }
    }
}
