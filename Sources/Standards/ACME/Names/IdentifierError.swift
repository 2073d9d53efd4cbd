/// Why a text is not an identifier for a certificate.
public enum IdentifierError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The text (made printable) and what is wrong with it.
    case invalidName(String, reason: String)
    case invalidAddress(String, reason: String)
    /// Neither `dns` nor `ip` (RFC 8555 §9.7.7, RFC 8738 §3).
    case unknownType(String)

    public var description: String {
        switch self {
        case .invalidName(let text, let reason): "\"\(text)\" is not a name: \(reason)"
        case .invalidAddress(let text, let reason): "\"\(text)\" is not an IP address: \(reason)"
        case .unknownType(let type): "\"\(type)\" is not an identifier type; the types are dns and ip"
        }
    }

    static func name(_ text: String, _ reason: String) -> IdentifierError {
        .invalidName(TerminalText.safe(text, limit: 80), reason: reason)
    }

    static func address(_ text: String, _ reason: String) -> IdentifierError {
        .invalidAddress(TerminalText.safe(text, limit: 80), reason: reason)
    }
}
