import ACME
import CertificateStore
import Issuance

extension Failure {
    /// Why there is no certificate.
    init(issuance error: IssuanceError) {
        let hint = error.hint.map { TerminalText.safe($0) }
        switch error {
        case .notProven(let failures):
            let message =
                "the CA could not verify that you control \(failures.count == 1 ? "this name" : "these names")"
            self.init("validation-failed", .validationFailed, message, hint: hint)
            identifiers = IdentifierFailure.list(failures)
        case .orderFailed(let problem):
            guard let problem else {
                self.init("ca-refused", .caRefused, "the order failed at the CA, which gives no reason", hint: hint)
                return
            }
            self = Failure(problem: problem, retryAfter: nil, message: "the order failed at the CA: \(problem.summary)", hint: hint)
        case .noSolver(let identifier, let offered):
            self.init(
                "no-challenge", .validationFailed,
                "the chosen challenge cannot validate \(identifier.value)\(IssuanceError.offer(offered))", hint: hint)
        case .solver(let identifier, let reason, _):
            let place = identifier.map { "the challenge for \($0.value) could not be set up: " } ?? ""
            self.init("challenge-setup", .validationFailed, lines: place + reason, hint: hint)
        case .busy: self.init("challenge-busy", .temporary, TerminalText.safe(error.description), hint: hint)
        case .timedOut(let what, let duration, let problems):
            let plain = IssuanceError.timedOut(waitingFor: what, after: duration).description
            self.init("timeout", .temporary, TerminalText.safe(plain), hint: hint)
            identifiers = IdentifierFailure.list(problems)
        case .askedToWait(let seconds, let reason):
            let wait = Wording.duration(seconds: seconds)
            self.init("rate-limited", .temporary, "the CA asks you to wait \(wait) for \(TerminalText.safe(reason))", hint: hint)
        case .orderGone: self.init("order-gone", .caRefused, TerminalText.safe(error.description), hint: hint)
        case .unexpectedAnswer: self.init("ca-protocol", .caRefused, TerminalText.safe(error.description), hint: hint)
        case .noAccount(let directory):
            self.init("no-account", .failed, "there is no account at \(directory.origin) yet", hint: hint)
        case .termsNotAgreed: self.init("terms-not-agreed", .failed, TerminalText.safe(error.description), hint: hint)
        case .externalAccountRequired: self.init("external-account-required", .failed, TerminalText.safe(error.description), hint: hint)
        case .externalAccountMissing: self.init("refused", .refused, error.description, hint: hint)
        case .accountClosed: self.init("account-closed", .caRefused, TerminalText.safe(error.description), hint: hint)
        case .otherAccount:
            self.init("other-account", .usage, TerminalText.safe("\(error.description); nothing was registered"), hint: hint)
        case .keyMissing, .certificateKeyMissing: self.init("key-not-found", .refused, TerminalText.safe(error.description), hint: hint)
        case .keyCompromised: self.init("key-compromised", .refused, TerminalText.safe(error.description), hint: hint)
        case .keyRetired: self.init("key-retired", .refused, TerminalText.safe(error.description), hint: hint)
        case .profileNotOffered: self.init("ca-refused", .caRefused, error.description, hint: hint)
        case .noEffect: self.init("no-effect", .usage, TerminalText.safe(error.description), hint: hint)
        case .noIdentifiers: self.init("usage", .usage, error.description, hint: "-d NAME")
        case .notFound: self.init("certificate-not-found", .failed, error.description, hint: hint)
        case .alreadyRevoked: self.init("already-revoked", .failed, error.description, hint: hint)
        case .deployFailed: self.init("deploy-failed", .failed, lines: error.description, hint: hint)
        }
    }
}

extension IdentifierFailure {
    fileprivate static func list(_ failures: [IssuanceError.FailedIdentifier]) -> [IdentifierFailure] {
        failures.map {
            IdentifierFailure(
                identifier: $0.identifier.value, challenge: nil, message: $0.problem?.summary ?? "the CA gives no reason",
                problem: $0.problem)
        }
    }
}
