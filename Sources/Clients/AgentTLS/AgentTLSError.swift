import ACME
import AgentClient
import AgentInterface
import Varlink

/// Why a handshake was not signed, or why a certificate and key file were not taken into use.
///
/// Handlers after NIOSSL's get it (`errorCaught`) just before NIOSSL's own error, which says only that the handshake
/// failed. The signer's `onFailure` gets it too.
public struct AgentTLSError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure, for a program.
    public enum Reason: Hashable, Sendable {
        /// The agent is not there, or is not who it should be.
        case unreachable
        /// The agent did not answer in time.
        case deadline
        /// Too many handshakes wait for the agent.
        case busy
        /// The agent closes connections, or its answer is not one.
        case malformed
        /// The agent did not sign.
        case refused
        /// Certificate and key file cannot be read, or do not belong together.
        case files
        /// Something else than a handshake, or not to be signed this way.
        case unsupported
    }

    /// The kind of failure.
    public var reason: Reason
    /// A sentence.
    public var message: String
    /// What to do.
    public var hint: String?
    /// The call at the agent, as the agent's log and audit trail name it; `nil` if the agent did not answer.
    public private(set) var correlation: String?

    public var description: String {
        message + (hint.map { "; hint: \($0)" } ?? "") + (correlation.map { " (correlation \($0))" } ?? "")
    }

    init(_ reason: Reason, _ message: String, hint: String? = nil) {
        self.reason = reason
        // An agent's words may come from a caller or a token, and end in a log.
        self.message = TerminalText.safe(message)
        self.hint = hint.map { TerminalText.safe($0) }
    }

    /// What a call or a connection failed with.
    init(_ error: any Error, socket: String) {
        switch error {
        case let error as AgentTLSError: self = error
        case let error as AgentConnectionError:
            // The other hint is for the command line.
            let isOption = error.hint?.contains("--socket") == true
            self.init(.unreachable, error.description, hint: isOption ? "is acme-agentd running there?" : error.hint)
        case .invalidRequest(let parameter, let message, _) as AgentError:
            self.init(
                .refused, "the agent did not sign: \(parameter) \(message)",
                hint: parameter == "key" ? "load the certificate and the key file that `acme-agent` has written last" : nil)
        case .refused(_, let message, let hint, _) as AgentError:
            self.init(.refused, "the agent did not sign: \(message)", hint: hint)
        case let error as AgentError:
            self.init(.refused, "the agent did not sign: \(error.message)", hint: error.hint)
        case let error as VarlinkError where error.name == VarlinkError.Standard.methodNotFound:
            self.init(.refused, "the agent does not know this kind of handshake", hint: "update acme-agentd")
        case VarlinkConnectionError.closed:
            self.init(.malformed, "the agent at \(socket) closes its connections", hint: AgentTLSError.seeLog)
        default: self.init(.malformed, "the agent at \(socket) gave no answer that can be used: \(error)", hint: AgentTLSError.seeLog)
        }
        if let error = error as? AgentError { correlation = error.correlation.map { TerminalText.safe($0) } }
    }

    static let seeLog = "the log of acme-agentd says why"
}
