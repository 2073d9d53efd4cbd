import ACME
import ACMEClient
import CertificateStore

extension RenewalFailure {
    /// What an issuance's error means for the next attempt.
    /// - Parameter code: what the program calls it; the errors of the agent are not known here.
    public init(_ error: any Error, code: String? = nil) {
        let reason = "\(error)".split(whereSeparator: \.isNewline).map { $0.drop { $0 == " " } }.joined(separator: " ")
        switch error {
        case let error as ACMEClientError:
            var retryAfter: Int64?
            if case .problem(_, _, _, let seconds) = error { retryAfter = seconds }
            self.init(isOfCA: true, retryAfter: retryAfter, reason: reason)
        case IssuanceError.askedToWait(let seconds, _): self.init(isOfCA: true, retryAfter: seconds, reason: reason)
        case IssuanceError.deployFailed: self.init(isOfCA: false, isDeployment: true, reason: reason)
        case let error as IssuanceError: self.init(isOfCA: error.isOfCA, reason: reason)
        case let error as StoreError: self.init(isOfCA: error.reason == .chainRefused, reason: reason)
        default: self.init(isOfCA: false, reason: reason)
        }
        self.code = code
    }
}

extension IssuanceError {
    /// Whether another CA might do better. Our own validation fails at every CA.
    fileprivate var isOfCA: Bool {
        switch self {
        case .orderFailed, .orderGone, .timedOut, .askedToWait, .profileNotOffered, .noAccount, .termsNotAgreed,
            .externalAccountRequired, .externalAccountMissing, .accountClosed, .otherAccount, .unexpectedAnswer:
            true
        case .notProven, .noSolver, .solver, .busy, .noIdentifiers, .noEffect, .keyMissing, .certificateKeyMissing, .keyRetired,
            .keyCompromised, .notFound, .alreadyRevoked, .deployFailed:
            false
        }
    }
}
