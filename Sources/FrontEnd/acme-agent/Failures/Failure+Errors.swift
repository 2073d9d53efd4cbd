import ACME
import ACMEClient
import AgentClient
import AgentInterface
import AuditTrail
import CertificateStore
import ConfigurationFile
import DurableFile
import Glibc
import Issuance
import PolicyInquiry
import StrictJSON
import Varlink

extension Failure {
    /// Converts any error of the layers below. Only this initializer knows them all.
    init(_ error: any Error) {
        switch error {
        case let error as Failure: self = error
        case let error as AgentError: self = Failure(agent: error)
        case let error as InquiryError: self = .usage(error.message, hint: error.hint)
        case let error as AgentConnectionError:
            self.init("agent-unreachable", .agentUnavailable, TerminalText.safe(error.description), hint: error.hint)
        case VarlinkConnectionError.timedOut:
            self.init(
                "agent-unreachable", .agentUnavailable, "the agent accepts connections but does not answer",
                hint: "acme-agentd is overloaded or hangs: see `systemctl status acme-agentd` and its log")
        case let error as VarlinkConnectionError:
            self.init(
                "agent-unreachable", .agentUnavailable, "the agent did not answer: \(TerminalText.safe(error.description))",
                hint: "run the command again; acme-agentd's log says what happened")
        case let error as AgentReplyError: self.init("agent-protocol", .agentUnavailable, TerminalText.safe(error.description))
        case let error as VarlinkError:
            self.init("agent-protocol", .agentUnavailable, "the agent answered \(TerminalText.safe(error.name))")
        case let error as ACMEClientError: self = Failure(client: error)
        case let error as IssuanceError: self = Failure(issuance: error)
        case let error as Problem: self = Failure(problem: error, retryAfter: nil, message: "the CA refused: \(error.summary)", hint: nil)
        case let error as TransportConfigurationError:
            self = .configuration(error.description, hint: "--ca-certificate or ca-certificate names a PEM file")
        case let error as ConfigurationError: self = .configuration(TerminalText.safe(error.description), hint: error.hint)
        case let error as StoreError: self = Failure(store: error)
        case let error as FileError: self = Failure(file: error)
        case let error as AuditError: self = Failure(audit: error)
        case let error as ACMERequestError: self = .usage(error.description)
        case is CancellationError: self.init("interrupted", .interrupted, "interrupted")
        default: self.init("failed", .failed, lines: "\(error)")
        }
    }

    private init(file error: FileError) {
        let deed =
            switch error.call {
            case "open", "statx", "readlink": "opened"
            case "read", "fstat", "readdir": "read"
            case "mkdir": "made"
            case "unlink", "rmdir": "removed"
            default: "written"
            }
        let path = TerminalText.safe(error.path)
        self.init("file", error.isFull ? .temporary : .failed, "\"\(path)\" cannot be \(deed): \(error.reason)")
        if error.isFull { hint = "free some space and run the command again" }
    }

    private init(agent error: AgentError) {
        let code: String
        let status: ExitStatus
        switch error {
        case .rateExceeded: (code, status) = ("rate-exceeded", .temporary)
        case .refused: (code, status) = ("refused", .refused)
        case .keyNotFound: (code, status) = ("key-not-found", .refused)
        case .keyExists: (code, status) = ("key-exists", .failed)
        case .keyUnusable: (code, status) = ("key-unusable", .agentUnavailable)
        case .invalidRequest: (code, status) = ("invalid-request", .failed)
        case .tokenUnavailable: (code, status) = ("token-unavailable", .agentUnavailable)
        case .signingFailed: (code, status) = ("signing-failed", .agentUnavailable)
        case .auditUnavailable: (code, status) = ("audit-unavailable", .agentUnavailable)
        case .overloaded: (code, status) = ("overloaded", .temporary)
        }
        self.init(code, status, TerminalText.safe(Failure.sentence(error)), hint: error.hint.map { TerminalText.safe($0) })
        if case .rateExceeded(_, _, let time, _) = error { retryAt = time }
        correlation = error.correlation.map { TerminalText.safe($0, limit: 100) }
    }

    /// The agent's message about a parameter, such as "is retired", leaves out the parameter's name: a person needs
    /// both.
    private static func sentence(_ error: AgentError) -> String {
        guard case .invalidRequest(let parameter, let message, _) = error,
            ["is", "was", "must", "cannot", "does", "gave"].contains(message.prefix { $0 != " " })
        else { return error.message }
        let subject =
            switch parameter {
            case "key": "the key"
            case "certificateKey": "the certificate's key"
            case "newKey": "the new key"
            case "account": "the account's URL"
            case "url": "the request's URL"
            case "": "the request"
            default: "the request's \(parameter)"
            }
        return "\(subject) \(message)"
    }

    private init(client error: ACMEClientError) {
        switch error {
        case .problem(let problem, _, _, let retryAfter) where error.isOutage:
            self = .outage(error, retryAfter: retryAfter, problem: problem)
        case .problem(let problem, _, _, let retryAfter):
            self = Failure(problem: problem, retryAfter: retryAfter, message: error.summary, hint: error.hint)
        case .unexpectedStatus where error.isOutage: self = .outage(error, retryAfter: nil, problem: nil)
        case .unexpectedStatus(429, _, _):
            self.init("rate-limited", .temporary, TerminalText.safe(error.description), hint: "try again later")
        case .transport(let cause):
            let code =
                switch cause.kind {
                case .unreachable, .timeout: "ca-unreachable"
                case .tls, .untrusted: "ca-tls"
                case .tooLarge, .protocolError: "ca-protocol"
                }
            self.init(code, cause.isTransient ? .temporary : .caRefused, cause.description, hint: cause.hint)
        case .noAccount: self.init("no-account", .failed, error.description, hint: error.hint)
        case .notOffered: self.init("ca-refused", .caRefused, error.description, hint: error.hint)
        case .unexpectedStatus, .unexpectedContentType, .redirect, .invalidDocument, .missingHeader, .noncesExhausted, .notADirectory:
            self.init("ca-protocol", .caRefused, TerminalText.safe(error.description), hint: error.hint)
        }
    }

    /// The CA, or a gateway in front of it, is down.
    private static func outage(_ error: ACMEClientError, retryAfter: Int64?, problem: Problem?) -> Failure {
        let wait = retryAfter.map { "the CA asks you to wait \(Wording.duration(seconds: $0))" }
        return Failure(
            "ca-unavailable", .temporary, TerminalText.safe(error.summary),
            hint: wait ?? "the CA is down or busy: run the command again later",
            problem: problem)
    }

    /// - Parameter retryAfter: seconds
    init(problem: Problem, retryAfter: Int64?, message: String, hint: String?) {
        switch problem.kind {
        case .rateLimited:
            let wait = retryAfter.map { "the CA asks you to wait \(Wording.duration(seconds: $0))" }
            self.init("rate-limited", .temporary, message, hint: wait ?? hint ?? "try again later", problem: problem)
        case .serverInternal where problem.status.map({ $0 >= 500 }) ?? true:
            self.init("ca-unavailable", .temporary, message, hint: hint ?? "the CA is at fault: try again later", problem: problem)
        case .accountDoesNotExist: self.init("no-account", .caRefused, message, hint: hint, problem: problem)
        case .userActionRequired: self.init("user-action-required", .caRefused, message, hint: hint, problem: problem)
        default: self.init("ca-refused", .caRefused, message, hint: hint, problem: problem)
        }
    }

    private init(audit error: AuditError) {
        self.init("audit-\(error.reason.rawValue)", .failed, TerminalText.safe(error.description))
        if error.errorNumber == EACCES || error.errorNumber == EPERM {
            hint = "only root and the agent's user can read its files; `acme-agent audit tail` asks the agent instead"
        } else if error.reason == .missing {
            hint = "acme-agent audit verify FILE, or audit-file in the configuration"
        }
    }

    private init(store error: StoreError) {
        let status: ExitStatus =
            switch error.reason {
            case .locked, .storageFull: .temporary
            case .invalidName: .usage
            case .chainRefused: .caRefused
            default: .failed
            }
        self.init("store-\(error.reason.rawValue)", status, error.description, hint: error.hint)
    }
}
