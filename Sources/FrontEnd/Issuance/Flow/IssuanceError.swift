import ACME
import CertificateStore

/// Why there is no certificate. What agent, CA client and store throw passes through as it is.
public enum IssuanceError: Error, Sendable, CustomStringConvertible {
    /// The CA could not see that these names are the account's; with its reasons.
    case notProven([FailedIdentifier])
    /// The CA gave the order up for another reason.
    case orderFailed(Problem?)
    /// The CA does not know the order (any more).
    case orderGone(ACMEURL, Problem?)
    /// No configured solver can do what the CA offers; `nil`: none can prove such a name, whatever is offered, and nothing was ordered.
    case noSolver(Identifier, offered: [String]?)
    /// What was presented did not get there.
    case solver(Identifier?, reason: String, hint: String?)
    /// What a solver needs is in somebody else's use, for as long as was waited.
    case busy(String, hint: String?)
    /// With what the CA said meanwhile of names that it could not see.
    case timedOut(waitingFor: String, after: Duration, problems: [FailedIdentifier] = [])
    /// The CA wants to be left alone for longer than is waited.
    case askedToWait(seconds: Int64, reason: String)
    case noIdentifiers
    /// Something that was asked for cannot take effect; nothing was changed.
    case noEffect(String, hint: String)
    /// The CA's directory does not list this profile (draft-ietf-acme-profiles); nothing was ordered.
    case profileNotOffered(String, offered: [String])
    case noAccount(directory: ACMEURL)
    /// The CA has terms of service, and nobody agreed to them.
    case termsNotAgreed(String)
    case externalAccountRequired(directory: ACMEURL)
    /// The agent has no credential of that name for this user: there is none, it is off, or no grant lists it.
    case externalAccountMissing(String, available: [String])
    /// The CA has an account of this key that was deactivated or revoked, which is for good (RFC 8555 §7.3.6).
    /// - Parameter contact: what was given for it.
    case accountClosed(KeyName, Problem?, contact: [String], directory: ACMEURL)
    /// The key that certificate or account should use is not in the agent, or not for this user.
    case keyMissing(KeyName)
    /// The key of a certificate that is there is not in the agent any more, or not for this user.
    case certificateKeyMissing(KeyName, of: CertificateName)
    case keyRetired(KeyName)
    /// The key is none of the wanted kind.
    case unexpectedAnswer(String)
    case notFound(CertificateName)
    case alreadyRevoked(CertificateName)
    /// The certificate is installed; the program that should take it into use failed.
    case deployFailed(CertificateName, reason: String)

    /// A name with the CA's reason.
    public struct FailedIdentifier: Sendable, Hashable {
        public var identifier: Identifier
        public var problem: Problem?

        public init(identifier: Identifier, problem: Problem?) {
            self.identifier = identifier
            self.problem = problem
        }

        /// `www.example.org: connection refused (connection)`
        var line: String { "\(identifier.value): \(problem?.summary ?? "the CA gives no reason")" }
    }

    public var description: String {
        switch self {
        case .notProven(let failures):
            let lines = failures.map { "  \($0.line)" }
            return "the CA could not see that \(failures.count == 1 ? "this name is" : "these names are") yours:\n"
                + lines.joined(separator: "\n")
        case .orderFailed(let problem): return "the CA gave up the order: \(problem?.description ?? "it gives no reason")"
        case .orderGone(let url, _): return "the CA does not know the order \(url)"
        case .noSolver(let identifier, let offered):
            return "no configured challenge can prove \(identifier.value)\(IssuanceError.offer(offered))"
        case .solver(let identifier, let reason, _):
            return (identifier.map { "the challenge for \($0.value) could not be set up: " } ?? "") + reason
        case .busy(let reason, _): return reason
        case .timedOut(let what, let duration, let problems):
            return "gave up waiting for \(what) after \(duration.components.seconds) s" + problems.map { "\n  \($0.line)" }.joined()
        case .askedToWait(let seconds, let reason): return "the CA asks to wait \(seconds) s (\(reason)), which is too long"
        case .noIdentifiers: return "a certificate needs a name"
        case .noEffect(let reason, _): return reason
        case .profileNotOffered(let profile, _):
            return "the CA has no profile \"\(TerminalText.safe(profile, limit: 100))\"; nothing was ordered"
        case .noAccount(let directory): return "there is no account at \(directory) yet"
        case .termsNotAgreed(let url): return "this CA has terms of service: \(TerminalText.safe(url, limit: 300))"
        case .externalAccountRequired(let directory): return "the CA at \(directory.origin) wants an account that it knows from elsewhere"
        case .externalAccountMissing(let name, _):
            return "the agent has no external account \"\(TerminalText.safe(name, limit: 100))\" for you; nothing was made"
        case .accountClosed(let name, let problem, _, _):
            return "the account of key \"\(name)\" is deactivated at the CA, for good" + (problem.map { ": \($0.summary)" } ?? "")
        case .keyMissing(let name): return "the agent has no key \"\(name)\" for you"
        case .certificateKeyMissing(let name, _): return "the agent has no key \"\(name)\" for you any more"
        case .keyRetired(let name): return "the key \"\(name)\" is retired"
        case .unexpectedAnswer(let reason): return reason
        case .notFound(let name): return "there is no certificate \"\(name)\""
        case .alreadyRevoked(let name): return "the certificate \"\(name)\" is revoked already"
        case .deployFailed(let name, let reason): return "the certificate \"\(name)\" is installed, but its deploy hook failed: \(reason)"
        }
    }

    /// The end of a sentence: what the CA would have taken.
    public static func offer(_ types: [String]?) -> String {
        guard let types else { return "; nothing was ordered" }
        let named = types.filter { !$0.isEmpty }
        return "; the CA offers " + (named.isEmpty ? "none" : named.map { TerminalText.safe($0, limit: 40) }.joined(separator: ", "))
    }

    /// What the user may do about it.
    public var hint: String? {
        switch self {
        case .notProven: return "the CA must reach every name from outside; acme-agent takes down what it had set up"
        case .noSolver(let identifier, _):
            return identifier.isWildcard
                ? "a wildcard can be proven by dns-01 only: --dns-hook PROGRAM" : "choose --webroot, --http01-address or --dns-hook"
        case .solver(_, _, let hint), .busy(_, let hint): return hint
        case .noEffect(_, let hint): return hint
        case .timedOut, .askedToWait: return "run the command again later; it goes on where it stopped"
        case .noAccount(let directory): return "acme-agent account register --agree-tos --directory \(directory)"
        case .termsNotAgreed: return "read them, then add --agree-tos"
        case .externalAccountRequired: return "name the credential that the agent's administrator has configured: --eab NAME"
        case .accountClosed(_, _, let contact, let directory):
            let contacts = contact.map { " --email " + TerminalText.safe($0.hasPrefix("mailto:") ? $0.dropFirst(7) : $0[...], limit: 300) }
            let command = "acme-agent account register --agree-tos\(contacts.joined()) --directory \(directory) --key NAME"
            return "register another one with a key of its own: \(command)"
        case .externalAccountMissing(_, let available):
            let list =
                available.isEmpty
                ? "" : "there is \(available.prefix(8).map { TerminalText.safe($0, limit: 64) }.joined(separator: ", ")); "
            return list + "a grant lists the credentials in its external-accounts, and `acme-agent status` shows which are off"
        case .profileNotOffered(_, let offered):
            let shown = offered.prefix(20).map { TerminalText.safe($0, limit: 64) }
            return offered.isEmpty ? "it has no profiles: leave --profile out" : "it has: \(shown.joined(separator: ", "))"
        case .keyMissing, .keyRetired: return "acme-agent keys list"
        case .certificateKeyMissing(_, let certificate):
            return "a certificate by another key takes its place: acme-agent renew \(certificate) --new-key --force"
        case .notFound: return "acme-agent list"
        case .deployFailed: return "run the command again to try the hook again"
        case .orderFailed, .orderGone, .noIdentifiers, .unexpectedAnswer, .alreadyRevoked: return nil
        }
    }
}
