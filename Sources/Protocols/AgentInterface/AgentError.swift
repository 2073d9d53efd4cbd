import ACME
import StrictJSON

/// An error of the agent's interface: a stable name on the wire, a sentence and a hint for a person.
public enum AgentError: Error, Hashable, Sendable, CustomStringConvertible {
    case refused(reason: String, message: String, hint: String?)
    /// `Refused` with the reason `rate-exceeded`: the same request may be allowed later.
    /// - Parameter retryAt: When it may be tried again, Unix seconds; `nil` if the agent is of a version that does not say.
    case rateExceeded(message: String, hint: String?, retryAt: Int64?)
    case keyNotFound(name: String)
    case keyExists(name: String)
    case keyUnusable(name: String, message: String)
    case invalidRequest(parameter: String, message: String)
    case tokenUnavailable(token: String, reason: String, message: String, hint: String?)
    case signingFailed(message: String, hint: String?)
    case auditUnavailable(message: String, hint: String?)
    case overloaded(message: String)

    /// The error's name without the interface name.
    public var member: String {
        switch self {
        case .refused, .rateExceeded: "Refused"
        case .keyNotFound: "KeyNotFound"
        case .keyExists: "KeyExists"
        case .keyUnusable: "KeyUnusable"
        case .invalidRequest: "InvalidRequest"
        case .tokenUnavailable: "TokenUnavailable"
        case .signingFailed: "SigningFailed"
        case .auditUnavailable: "AuditUnavailable"
        case .overloaded: "Overloaded"
        }
    }

    /// The error's full name, as in a Varlink reply.
    public var name: String { AgentInterfaceText.name + "." + member }

    public var message: String {
        switch self {
        case .refused(_, let message, _), .rateExceeded(let message, _, _), .invalidRequest(_, let message),
            .tokenUnavailable(_, _, let message, _), .signingFailed(let message, _), .auditUnavailable(let message, _),
            .overloaded(let message), .keyUnusable(_, let message):
            message
        case .keyNotFound(let name): "there is no key \"\(name)\" that you may use"
        case .keyExists(let name): "a key named \"\(name)\" already exists"
        }
    }

    public var hint: String? {
        switch self {
        case .refused(_, _, let hint), .rateExceeded(_, let hint, _), .tokenUnavailable(_, _, _, let hint), .signingFailed(_, let hint),
            .auditUnavailable(_, let hint):
            hint
        case .keyNotFound: "`acme-agent keys list` shows the keys that the agent's policy lets you use"
        case .keyExists: "choose another name, or use the existing key"
        case .keyUnusable: "the agent's administrator must repair or remove the key's entry and restart the agent"
        case .overloaded: "try again in a moment"
        case .invalidRequest(parameter: "uri", _):
            "`pkcs11-tool --login --list-objects --type privkey` lists the private keys of a token with their URIs"
        case .invalidRequest(parameter: "token", _): "`acme-agent status` shows the tokens; without --token, the first one is used"
        case .invalidRequest(parameter: "externalAccount", _):
            "`acme-agent status` shows the external accounts that you may use, and which configuration entries are off"
        case .invalidRequest: nil
        }
    }

    public var description: String { message }

    private static let rateReason = "rate-exceeded"

    /// Writes the error's parameters as members of the open object.
    public func writeMembers(to json: inout JSONWriter) {
        switch self {
        case .refused(let reason, let message, let hint):
            json.member("reason", reason)
            json.member("message", message)
            json.member("hint", ifPresent: hint)
        case .rateExceeded(let message, let hint, let retryAt):
            json.member("reason", AgentError.rateReason)
            json.member("message", message)
            json.member("hint", ifPresent: hint)
            json.member("retryAt", ifPresent: retryAt.map { RFC3339.string($0) })
        case .keyNotFound(let name), .keyExists(let name), .keyUnusable(let name, _):
            json.member("name", name)
            json.member("message", message)
        case .invalidRequest(let parameter, let message):
            json.member("parameter", parameter)
            json.member("message", message)
        case .tokenUnavailable(let token, let reason, let message, let hint):
            json.member("token", token)
            json.member("reason", reason)
            json.member("message", message)
            json.member("hint", ifPresent: hint)
        case .signingFailed(let message, let hint), .auditUnavailable(let message, let hint):
            json.member("message", message)
            json.member("hint", ifPresent: hint)
        case .overloaded(let message): json.member("message", message)
        }
    }

    /// Reads an error reply of the agent; `nil` if the name is not one of this interface's.
    public init?(name: String, parameters: JSONObject?) {
        guard name.hasPrefix(AgentInterfaceText.name + ".") else { return nil }
        func text(_ member: String) -> String? { (try? parameters?.optionalString(member)) ?? nil }
        let message = text("message") ?? "the agent gave no reason"
        switch name.dropFirst(AgentInterfaceText.name.utf8.count + 1) {
        // Earlier versions of the agent say the time only in the hint.
        case "Refused" where text("reason") == AgentError.rateReason:
            self = .rateExceeded(message: message, hint: text("hint"), retryAt: text("retryAt").flatMap { RFC3339.seconds($0) })
        case "Refused": self = .refused(reason: text("reason") ?? "refused", message: message, hint: text("hint"))
        case "KeyNotFound": self = .keyNotFound(name: text("name") ?? "")
        case "KeyExists": self = .keyExists(name: text("name") ?? "")
        case "KeyUnusable": self = .keyUnusable(name: text("name") ?? "", message: message)
        case "InvalidRequest": self = .invalidRequest(parameter: text("parameter") ?? "", message: message)
        case "TokenUnavailable":
            self = .tokenUnavailable(token: text("token") ?? "", reason: text("reason") ?? "", message: message, hint: text("hint"))
        case "SigningFailed": self = .signingFailed(message: message, hint: text("hint"))
        case "AuditUnavailable": self = .auditUnavailable(message: message, hint: text("hint"))
        case "Overloaded": self = .overloaded(message: message)
        default: return nil
        }
    }
}

extension AgentError: PolicyRefusal {
    /// A key that is not found does not exist, or policy does not let the caller use it; the answer does not say which.
    public var isPolicyRefusal: Bool {
        switch self {
        // A taken name or an invalid request fails the same way the next time.
        case .refused, .keyNotFound, .keyExists, .invalidRequest: true
        case .rateExceeded, .keyUnusable, .tokenUnavailable, .signingFailed, .auditUnavailable, .overloaded: false
        }
    }
}
