import ACME
import StrictJSON

/// An error of the agent's interface: a stable name on the wire, a sentence and a hint for a person. One that the agent
/// sent has the call's ``correlation``.
public enum AgentError: Error, Hashable, Sendable, CustomStringConvertible {
    case refused(reason: String, message: String, hint: String?, correlation: String? = nil)
    /// `Refused` with the reason `rate-exceeded`: the same request may be allowed later.
    /// - Parameter retryAt: When it may be tried again, Unix seconds; `nil` if the agent is of a version that does not say.
    case rateExceeded(message: String, hint: String?, retryAt: Int64?, correlation: String? = nil)
    case keyNotFound(name: String, correlation: String? = nil)
    case keyExists(name: String, correlation: String? = nil)
    case keyUnusable(name: String, message: String, correlation: String? = nil)
    case invalidRequest(parameter: String, message: String, correlation: String? = nil)
    case tokenUnavailable(token: String, reason: String, message: String, hint: String?, correlation: String? = nil)
    case signingFailed(message: String, hint: String?, correlation: String? = nil)
    case auditUnavailable(message: String, hint: String?, correlation: String? = nil)
    case overloaded(message: String, correlation: String? = nil)

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
        case .refused(_, let message, _, _), .rateExceeded(let message, _, _, _), .invalidRequest(_, let message, _),
            .tokenUnavailable(_, _, let message, _, _), .signingFailed(let message, _, _), .auditUnavailable(let message, _, _),
            .overloaded(let message, _), .keyUnusable(_, let message, _):
            message
        case .keyNotFound(let name, _): "there is no key \"\(name)\" that you may use"
        case .keyExists(let name, _): "a key named \"\(name)\" already exists"
        }
    }

    public var hint: String? {
        switch self {
        case .refused(_, _, let hint, _), .rateExceeded(_, let hint, _, _), .tokenUnavailable(_, _, _, let hint, _),
            .signingFailed(_, let hint, _), .auditUnavailable(_, let hint, _):
            hint
        case .keyNotFound: "`acme-agent keys list` shows the keys that the agent's policy lets you use"
        case .keyExists: "choose another name, or use the existing key"
        case .keyUnusable: "the agent's administrator must repair or remove the key's entry and restart the agent"
        case .overloaded: "try again in a moment"
        case .invalidRequest(parameter: "uri", _, _):
            "`pkcs11-tool --login --list-objects --type privkey` lists the private keys of a token with their URIs"
        case .invalidRequest(parameter: "token", _, _): "`acme-agent status` shows the tokens; without --token, the first one is used"
        case .invalidRequest(parameter: "externalAccount", _, _):
            "`acme-agent status` shows the external accounts that you may use, and which configuration entries are off"
        case .invalidRequest: nil
        }
    }

    public var description: String { message }

    /// The call at the agent: the same text stands in the agent's log and in its audit trail. `nil` if the agent is of a
    /// version that does not say, or did not send the error.
    public var correlation: String? {
        switch self {
        case .refused(_, _, _, let correlation), .rateExceeded(_, _, _, let correlation), .invalidRequest(_, _, let correlation),
            .tokenUnavailable(_, _, _, _, let correlation), .signingFailed(_, _, let correlation),
            .auditUnavailable(_, _, let correlation), .overloaded(_, let correlation), .keyUnusable(_, _, let correlation),
            .keyNotFound(_, let correlation), .keyExists(_, let correlation):
            correlation
        }
    }

    /// Two errors are the same if they say the same, whichever call got them.
    public static func == (first: AgentError, second: AgentError) -> Bool { first.name == second.name && first.members == second.members }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(members)
    }

    private var members: [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        writeMeaning(to: &json)
        json.endObject()
        return json.bytes
    }

    private static let rateReason = "rate-exceeded"

    /// Writes the error's parameters as members of the open object.
    /// - Parameter correlation: The call that gets the error; by default the error's own.
    public func writeMembers(to json: inout JSONWriter, correlation: String? = nil) {
        writeMeaning(to: &json)
        json.member("correlation", ifPresent: correlation ?? self.correlation)
    }

    private func writeMeaning(to json: inout JSONWriter) {
        switch self {
        case .refused(let reason, let message, let hint, _):
            json.member("reason", reason)
            json.member("message", message)
            json.member("hint", ifPresent: hint)
        case .rateExceeded(let message, let hint, let retryAt, _):
            json.member("reason", AgentError.rateReason)
            json.member("message", message)
            json.member("hint", ifPresent: hint)
            json.member("retryAt", ifPresent: retryAt.map { RFC3339.string($0) })
        case .keyNotFound(let name, _), .keyExists(let name, _), .keyUnusable(let name, _, _):
            json.member("name", name)
            json.member("message", message)
        case .invalidRequest(let parameter, let message, _):
            json.member("parameter", parameter)
            json.member("message", message)
        case .tokenUnavailable(let token, let reason, let message, let hint, _):
            json.member("token", token)
            json.member("reason", reason)
            json.member("message", message)
            json.member("hint", ifPresent: hint)
        case .signingFailed(let message, let hint, _), .auditUnavailable(let message, let hint, _):
            json.member("message", message)
            json.member("hint", ifPresent: hint)
        case .overloaded(let message, _): json.member("message", message)
        }
    }

    /// Reads an error reply of the agent; `nil` if the name is not one of this interface's.
    public init?(name: String, parameters: JSONObject?) {
        guard name.hasPrefix(AgentInterfaceText.name + ".") else { return nil }
        func text(_ member: String) -> String? { (try? parameters?.optionalString(member)) ?? nil }
        let message = text("message") ?? "the agent gave no reason"
        let correlation = text("correlation")
        switch name.dropFirst(AgentInterfaceText.name.utf8.count + 1) {
        // Earlier versions of the agent say the time only in the hint.
        case "Refused" where text("reason") == AgentError.rateReason:
            self = .rateExceeded(
                message: message, hint: text("hint"), retryAt: text("retryAt").flatMap { RFC3339.seconds($0) },
                correlation: correlation)
        case "Refused":
            self = .refused(reason: text("reason") ?? "refused", message: message, hint: text("hint"), correlation: correlation)
        case "KeyNotFound": self = .keyNotFound(name: text("name") ?? "", correlation: correlation)
        case "KeyExists": self = .keyExists(name: text("name") ?? "", correlation: correlation)
        case "KeyUnusable": self = .keyUnusable(name: text("name") ?? "", message: message, correlation: correlation)
        case "InvalidRequest":
            self = .invalidRequest(parameter: text("parameter") ?? "", message: message, correlation: correlation)
        case "TokenUnavailable":
            self = .tokenUnavailable(
                token: text("token") ?? "", reason: text("reason") ?? "", message: message, hint: text("hint"), correlation: correlation)
        case "SigningFailed": self = .signingFailed(message: message, hint: text("hint"), correlation: correlation)
        case "AuditUnavailable": self = .auditUnavailable(message: message, hint: text("hint"), correlation: correlation)
        case "Overloaded": self = .overloaded(message: message, correlation: correlation)
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
