import ACME

/// Why a request to a CA did not succeed. Errors of the signer pass through unchanged.
public enum ACMEClientError: Error, Sendable, CustomStringConvertible {
    /// The CA explains its refusal (RFC 8555 §6.7). `retryAfter`: seconds for which the CA asks the client to wait.
    case problem(Problem, status: Int, url: ACMEURL, retryAfter: Int64?)
    /// No answer came.
    case transport(TransportError)
    /// An unexpected status without a problem document.
    case unexpectedStatus(Int, url: ACMEURL, excerpt: String)
    /// The answer is of another media type than the one that was asked for.
    case unexpectedContentType(String, expected: String, url: ACMEURL)
    /// Redirects are not followed: the signature covers the URL (RFC 8555 §6.4).
    case redirect(status: Int, from: ACMEURL, to: String)
    /// The answer is not the object that it should be.
    case invalidDocument(url: ACMEURL, reason: String)
    /// A required header field: `Location` or `Replay-Nonce`.
    case missingHeader(String, url: ACMEURL)
    /// The CA refused every nonce that it had issued.
    case noncesExhausted(attempts: Int, url: ACMEURL)
    /// The request needs the account's URL.
    case noAccount
    /// The CA's directory lacks the member that the request needs.
    case notOffered(String, directory: ACMEURL)
    /// The answer from the directory's URL is not a directory.
    case notADirectory(ACMEURL, reason: String)

    /// The CA's explanation, if there is one.
    public var problem: Problem? {
        if case .problem(let problem, _, _, _) = self { return problem }
        return nil
    }

    /// Whether the CA seems to be down or busy, so that the same request may succeed later.
    public var isOutage: Bool {
        switch self {
        case .problem(let problem, let status, _, _): problem.kind != .rateLimited && HTTPResponse.isOutage(status)
        case .unexpectedStatus(let status, _, _): HTTPResponse.isOutage(status)
        default: false
        }
    }

    /// The description without subproblems, which have their own lines.
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
            return summary + lines.joined() + (retryAfter.map { "; it asks you to wait \($0) s" } ?? "")
        case .transport(let error): return error.description
        case .unexpectedStatus(let status, let url, let excerpt):
            // A proxy's HTML page is for browsers.
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
            return "the CA at \(url.origin) refused its own nonces \(attempts) times in a row"
        case .noAccount: return "there is no account at this CA yet"
        case .notOffered(let member, let directory):
            return "the CA does not offer this: its directory \(directory) has no valid \"\(member)\""
        }
    }

    /// What the user can do about it.
    public var hint: String? {
        switch self {
        case .transport(let error): return error.hint
        case .redirect: return "if the CA has moved, configure its new directory URL"
        case .noAccount: return "acme-agent account register --agree-tos"
        case .notADirectory: return "is this the URL of an ACME directory?"
        case .problem(let problem, _, _, _):
            switch problem.kind {
            case .accountDoesNotExist: return "acme-agent account recover"
            case .externalAccountRequired: return "this CA requires an external account binding: --eab NAME, as configured in the agent"
            case .userActionRequired:
                // RFC 8555 §7.3.3: a person visits the page, and agrees.
                let page = problem.instance.map { "visit \(TerminalText.safe($0, limit: 300))" } ?? "read the CA's terms of service"
                return "\(page); if you agree: acme-agent account update --agree-tos; then run the command again"
            default: return nil
            }
        default: return nil
        }
    }
}
