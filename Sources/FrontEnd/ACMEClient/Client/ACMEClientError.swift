import ACME

/// Why a request to a CA did not succeed. What the signer throws passes through as it is.
public enum ACMEClientError: Error, Sendable, CustomStringConvertible {
    /// The CA explains its refusal (RFC 8555 §6.7). `retryAfter`: seconds that the CA wants to be left alone.
    case problem(Problem, status: Int, url: ACMEURL, retryAfter: Int64?)
    case transport(TransportError)
    /// A status that means nothing here, without a problem document.
    case unexpectedStatus(Int, url: ACMEURL, excerpt: String)
    case unexpectedContentType(String, expected: String, url: ACMEURL)
    /// Redirects are not followed (RFC 8555 §6.1 signs the URL).
    case redirect(status: Int, from: ACMEURL, to: String)
    case invalidDocument(url: ACMEURL, reason: String)
    /// `Location`, `Replay-Nonce`: the field that must be there.
    case missingHeader(String, url: ACMEURL)
    /// The CA refused every nonce that it had given out itself.
    case noncesExhausted(attempts: Int, url: ACMEURL)
    /// The request needs the account's URL.
    case noAccount
    /// The CA's directory lacks the member that the request needs.
    case notOffered(String, directory: ACMEURL)
    /// What answers at the directory's URL is no directory.
    case notADirectory(ACMEURL, reason: String)

    /// The CA's explanation, where there is one.
    public var problem: Problem? {
        if case .problem(let problem, _, _, _) = self { return problem }
        return nil
    }

    /// Whether the CA is down or busy for all that it says: another time the same request may well succeed.
    public var isOutage: Bool {
        switch self {
        case .problem(let problem, let status, _, _): problem.kind != .rateLimited && HTTPResponse.isOutage(status)
        case .unexpectedStatus(let status, _, _): HTTPResponse.isOutage(status)
        default: false
        }
    }

    /// The description; without subproblems, which have lines of their own.
    public var summary: String {
        guard case .problem(let problem, let status, let url, _) = self else { return description }
        guard problem.hasText else {
            let type = problem.type == Problem.noType ? "" : " (\(problem.typeName))"
            return "the CA answered \(url) with HTTP status \(status)\(type) and gives no reason"
        }
        return "the CA at \(url.origin) refused: \(problem.summary)"
    }

    public var description: String {
        switch self {
        case .problem(let problem, _, _, let retryAfter):
            let lines = problem.description.split(separator: "\n", omittingEmptySubsequences: false).dropFirst().map { "\n" + $0 }
            return summary + lines.joined() + (retryAfter.map { "; it asks to wait \($0) s" } ?? "")
        case .transport(let error): return error.description
        case .unexpectedStatus(let status, let url, let excerpt):
            // The page of a proxy is for browsers.
            let isText = !excerpt.isEmpty && !excerpt.contains("<")
            return "the CA answered \(url) with HTTP status \(status)" + (isText ? ": \(TerminalText.safe(excerpt, limit: 200))" : "")
        case .unexpectedContentType(let type, let expected, let url):
            let type = type.isEmpty ? "without a content type" : "with \(TerminalText.safe(type, limit: 80))"
            return "the CA answered \(url) \(type), not \(expected)"
        case .redirect(let status, let from, let to):
            return "the CA redirects \(from) to \(TerminalText.safe(to, limit: 300)) (status \(status)), which is not followed"
        case .invalidDocument(_, let reason), .notADirectory(_, let reason): return reason
        case .missingHeader(let name, let url): return "the CA's answer to \(url) has no valid \(name)"
        case .noncesExhausted(let attempts, let url):
            return "the CA at \(url.origin) refused the nonces that it gives out, \(attempts) times one after another"
        case .noAccount: return "there is no account at this CA yet"
        case .notOffered(let member, let directory):
            return "the CA does not offer this: its directory \(directory) has no valid \"\(member)\""
        }
    }

    /// What the user may do about it.
    public var hint: String? {
        switch self {
        case .transport(let error): return error.hint
        case .redirect: return "if the CA has moved, configure its new directory URL"
        case .noAccount: return "acme-agent account register --agree-tos"
        case .notADirectory: return "is this the URL of an ACME directory?"
        case .problem(let problem, _, _, _):
            switch problem.kind {
            case .accountDoesNotExist: return "acme-agent account register --agree-tos"
            case .externalAccountRequired: return "this CA wants an external account binding: --eab NAME of one configured in the agent"
            case .userActionRequired: return problem.instance.map { "read \(TerminalText.safe($0, limit: 300))" }
            default: return nil
            }
        default: return nil
        }
    }
}
