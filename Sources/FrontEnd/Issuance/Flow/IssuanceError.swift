import ACME
import CertificateStore
import DNS

/// Why there is no certificate. Errors of the agent, the CA client and the store pass through unchanged.
public enum IssuanceError: Error, Sendable, CustomStringConvertible {
    /// The CA could not verify control of these names; with its reasons.
    case notProven([FailedIdentifier])
    /// The CA marked the order as invalid for another reason.
    case orderFailed(Problem?)
    /// The CA does not know the order, or no longer does.
    case orderGone(ACMEURL, Problem?)
    /// No configured solver can answer an offered challenge. With `nil`, none can answer for such a name at all, and
    /// nothing was ordered.
    case noSolver(Identifier, offered: [String]?)
    /// The challenge could not be set up.
    case solver(Identifier?, reason: String, hint: String?)
    /// A solver's resource stayed in use by others for the whole wait, or did not answer: a later try may succeed.
    case busy(String, hint: String?)
    /// With the CA's problems for the names that it could not verify so far.
    case timedOut(waitingFor: String, after: Duration, problems: [FailedIdentifier] = [])
    /// The CA asks for a longer wait than is allowed.
    case askedToWait(seconds: Int64, reason: String)
    case noIdentifiers
    /// A requested option cannot take effect; nothing was changed.
    case noEffect(String, hint: String)
    /// The CA's directory does not list this profile (draft-ietf-acme-profiles); nothing was ordered.
    case profileNotOffered(String, offered: [String])
    case noAccount(directory: ACMEURL)
    /// The CA has terms of service that were not agreed to.
    case termsNotAgreed(String)
    case externalAccountRequired(directory: ACMEURL)
    /// The agent has no credential of that name for this user: it does not exist, is off, or no grant lists it.
    case externalAccountMissing(String, available: [String])
    /// The key's account at the CA was deactivated or revoked, which is permanent (RFC 8555 §7.3.6).
    /// - Parameter contact: the account's contacts.
    case accountClosed(KeyName, Problem?, contact: [String], directory: ACMEURL)
    /// There is a working account with another key than the requested one; nothing was registered.
    case otherAccount(KeyName, wanted: KeyName, directory: ACMEURL)
    /// The key that the certificate or account should use is not in the agent, or not for this user.
    case keyMissing(KeyName)
    /// The installed certificate's key is no longer in the agent, or not for this user.
    case certificateKeyMissing(KeyName, of: CertificateName)
    case keyRetired(KeyName)
    /// The key was reported as compromised: no certificate is ordered for it.
    case keyCompromised(KeyName, of: CertificateName)
    /// The CA's answer cannot be used, or no key name is free.
    case unexpectedAnswer(String)
    case notFound(CertificateName)
    case alreadyRevoked(CertificateName)
    /// The certificate is installed, but the deploy hook failed.
    case deployFailed(CertificateName, reason: String)

    /// The challenge could not be set up, by a fault that may pass: the order stays, and a later run resumes it.
    static func passing(_ identifier: Identifier?, reason: String, hint: String?) -> IssuanceError {
        .busy(IssuanceError.solver(identifier, reason: reason, hint: nil).description, hint: hint)
    }

    /// What went wrong with DNS servers; a refusal is final, silence is not.
    static func dns(_ error: DNSError, _ identifier: Identifier?) -> IssuanceError {
        error.isPassing
            ? .passing(identifier, reason: error.description, hint: error.hint)
            : .solver(identifier, reason: error.description, hint: error.hint)
    }

    /// A name with the CA's reason.
    public struct FailedIdentifier: Sendable, Hashable {
        public var identifier: Identifier
        public var problem: Problem?
        /// The challenge that failed, if it is known.
        public var challenge: ChallengeType?

        public init(identifier: Identifier, problem: Problem?, challenge: ChallengeType? = nil) {
            self.identifier = identifier
            self.problem = problem
            self.challenge = challenge
        }

        /// `www.example.org: connection refused (connection)`
        var line: String { "\(identifier.value): \(problem?.summary ?? "the CA gives no reason")" }
    }

    public var description: String {
        switch self {
        case .notProven(let failures):
            let lines = failures.map { "  \($0.line)" }
            return "the CA could not verify that you control \(failures.count == 1 ? "this name" : "these names"):\n"
                + lines.joined(separator: "\n")
        case .orderFailed(let problem): return "the order failed at the CA: \(problem?.description ?? "it gives no reason")"
        case .orderGone(let url, _): return "the CA does not know the order \(url)"
        case .noSolver(let identifier, let offered):
            return "no configured challenge can validate \(identifier.value)\(IssuanceError.offer(offered))"
        case .solver(let identifier, let reason, _):
            return (identifier.map { "the challenge for \($0.value) could not be set up: " } ?? "") + reason
        case .busy(let reason, _): return reason
        case .timedOut(let what, let duration, let problems):
            return "gave up waiting for \(what) after \(duration.components.seconds) s" + problems.map { "\n  \($0.line)" }.joined()
        case .askedToWait(let seconds, let reason): return "the CA asks you to wait \(seconds) s for \(reason), which is too long"
        case .noIdentifiers: return "a certificate needs a name"
        case .noEffect(let reason, _): return reason
        case .profileNotOffered(let profile, _):
            return "the CA has no profile \"\(TerminalText.safe(profile, limit: 100))\"; nothing was ordered"
        case .noAccount(let directory): return "there is no account at \(directory) yet"
        case .termsNotAgreed(let url): return "this CA has terms of service: \(TerminalText.safe(url, limit: 300))"
        case .externalAccountRequired(let directory): return "the CA at \(directory.origin) requires an external account"
        case .externalAccountMissing(let name, _):
            return "the agent has no external account \"\(TerminalText.safe(name, limit: 100))\" that you may use; nothing was registered"
        case .accountClosed(let name, let problem, _, _):
            return "the account of key \"\(name)\" is permanently deactivated at the CA" + (problem.map { ": \($0.summary)" } ?? "")
        case .otherAccount(let name, _, let directory):
            return "you already have an account at \(directory.origin), with the key \"\(name)\""
        case .keyMissing(let name): return "the agent has no key \"\(name)\" that you may use"
        case .certificateKeyMissing(let name, _): return "the agent no longer has a key \"\(name)\" that you may use"
        case .keyRetired(let name): return "the key \"\(name)\" is retired"
        case .keyCompromised(let name, _): return "the key \"\(name)\" is compromised, so no certificate is ordered for it"
        case .unexpectedAnswer(let reason): return reason
        case .notFound(let name): return "there is no certificate \"\(name)\""
        case .alreadyRevoked(let name): return "the certificate \"\(name)\" is already revoked"
        case .deployFailed(let name, let reason): return "the certificate \"\(name)\" is installed, but its deploy hook failed: \(reason)"
        }
    }

    /// The end of a sentence: the challenge types that the CA offers.
    public static func offer(_ types: [String]?) -> String {
        guard let types else { return "; nothing was ordered" }
        let named = types.filter { !$0.isEmpty }
        return "; the CA offers " + (named.isEmpty ? "none" : named.map { TerminalText.safe($0, limit: 40) }.joined(separator: ", "))
    }

    private static func isDNS(_ failures: [FailedIdentifier]) -> Bool {
        failures.contains { $0.challenge == .dns01 || $0.challenge == .dnsAccount01 }
    }
    private static let dnsHint =
        "the TXT record must be on every server of the zone before the DNS hook exits; --dns-wait SECONDS waits for slow servers"

    /// Whether a shell takes a text as one plain word.
    private static func isPlainWord(_ text: some StringProtocol) -> Bool {
        guard let first = text.first, first != "-", text.utf8.count <= Contact.maximumLength else { return false }
        return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "@._+-".contains($0)) }
    }

    /// What the user can do about it.
    public var hint: String? {
        switch self {
        case .notProven(let failures):
            return IssuanceError.isDNS(failures) ? IssuanceError.dnsHint : "the CA must be able to reach every name from outside"
        case .noSolver(.ip, _):
            return "dns-01 cannot validate an IP address (RFC 8738 §7): --webroot FOLDER, --http01-address IP:PORT or "
                + "--tls-alpn01-address IP:PORT"
        case .noSolver(let identifier, _):
            return identifier.isWildcard
                ? "only dns-01 can validate a wildcard: --dns-update SERVER or --dns-hook PROGRAM"
                : "choose --webroot, --http01-address, --tls-alpn01-address, --dns-update or --dns-hook"
        case .solver(_, _, let hint), .busy(_, let hint): return hint
        case .noEffect(_, let hint): return hint
        case .timedOut(_, _, let problems) where IssuanceError.isDNS(problems):
            return "run the command again later; it resumes where it stopped; \(IssuanceError.dnsHint)"
        case .timedOut, .askedToWait: return "run the command again later; it resumes where it stopped"
        case .noAccount(let directory): return "acme-agent account register --agree-tos --directory \(directory)"
        case .termsNotAgreed: return "read them, then add --agree-tos"
        case .externalAccountRequired: return "name the credential that the agent's administrator has configured: --eab NAME"
        case .accountClosed(_, _, let contact, let directory):
            // From the CA: what a shell could take for more than a word is left out.
            let addresses = contact.map { $0.hasPrefix("mailto:") ? $0.dropFirst(7) : $0[...] }.filter(Self.isPlainWord)
            let emails = addresses.map { " --email \($0)" }.joined()
            let command = "acme-agent account register --agree-tos\(emails) --directory \(directory) --key NAME"
            return "register another account with a new key: \(command)"
        case .otherAccount(let name, let wanted, _):
            return "--key \(name) keeps it; --yes registers another account with the key \"\(wanted)\" and uses it from now on"
        case .externalAccountMissing(_, let available):
            let list =
                available.isEmpty
                ? "" : "there is \(available.prefix(8).map { TerminalText.safe($0, limit: 64) }.joined(separator: ", ")); "
            return list + "a grant lists the credentials in external-accounts; `acme-agent status` shows which are off"
        case .profileNotOffered(_, let offered):
            let shown = offered.prefix(20).map { TerminalText.safe($0, limit: 64) }
            return offered.isEmpty ? "it has no profiles: omit --profile" : "it has: \(shown.joined(separator: ", "))"
        case .keyMissing, .keyRetired: return "acme-agent keys list"
        case .keyCompromised(_, let certificate):
            return "omit --key, and another key is made; if an interrupted order is for this one: acme-agent forget --order \(certificate)"
        case .certificateKeyMissing(_, let certificate):
            return "replace it with a certificate for a new key: acme-agent renew \(certificate) --new-key --force"
        case .notFound: return "acme-agent list"
        case .deployFailed: return "run the command again to try the hook again"
        case .orderFailed, .orderGone, .noIdentifiers, .unexpectedAnswer, .alreadyRevoked: return nil
        }
    }
}
