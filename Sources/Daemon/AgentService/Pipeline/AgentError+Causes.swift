import AgentInterface
import AuditTrail
import JOSE
import Keyring
import StrictJSON
import TokenProtocol
import Varlink

extension AgentError {
    /// What the caller learns about a token's failure; function and return value are only logged.
    init(_ failure: TokenFailure, token: String) {
        switch failure.kind {
        case .overloaded: self = .overloaded(message: failure.message)
        case .noKey, .severalKeys, .keyMismatch, .unsupported, .invalidRequest:
            self = .signingFailed(message: failure.message, hint: failure.hint)
        default:
            self = .tokenUnavailable(token: token, reason: "\(failure.kind)", message: failure.message, hint: failure.hint)
        }
    }

    /// What the caller learns about a signature that was not made.
    init(_ fault: SignatureFault) {
        switch fault {
        case .overloaded(let limit): self = .overloaded(message: "\(limit) of your requests are waiting already")
        case .tokenNotConfigured(let token):
            self = .tokenUnavailable(token: token, reason: "notConfigured", message: "the key's token is not configured", hint: nil)
        case .token(let failure, let token): self = AgentError(failure, token: token)
        case .wrongSignature:
            self = .signingFailed(
                message: "the token returned a signature that does not verify",
                hint: "the token may be faulty; do not use it until it has been examined")
        case .composition(let error): self = .signingFailed(message: error.description, hint: nil)
        }
    }

    init(_ error: AuditError) {
        let hint =
            switch error.reason {
            case .storageFull: "make room on the disk of the audit trail; the agent then continues by itself"
            case .replaced:
                "restore the trail's file; `acme-agent status` and the agent's log say what happened to it"
            case .failed: "the agent continues in a new file by itself; its log says more"
            default: "the agent's log says more"
            }
        self = .auditUnavailable(
            message: "the audit trail cannot be written, so nothing is signed: \(error.reason.rawValue)", hint: hint)
    }
}

extension VarlinkReplier {
    /// Answers with an error of the agent's, which names the call: with that the caller, or its administrator, finds the
    /// call in the log and in the audit trail.
    func fail(_ error: AgentError, _ correlation: String) {
        fail(error: error.name) { json in error.writeMembers(to: &json, correlation: correlation) }
    }
}

extension SignedMeaning {
    /// The members of the reply's parameters: for a method that signs, exactly those that it describes.
    func writeMembers(to json: inout JSONWriter) {
        if let jws {
            json.name("request")
            jws.write(to: &json)
        }
        if let certificateRequest {
            json.name("csr")
            json.plainString(Base64URL.encodeBytes(certificateRequest))
        }
        if let handshake {
            json.name("signature")
            json.plainString(Base64URL.encodeBytes(handshake))
        }
    }
}
