import ACME
import ACMEClient
import CertificateStore

/// Decides whether an error is worth a retry. Pure.
enum Verdict {
    /// Whether the same request would most likely fail again: it was refused, or the answer was invalid. A failing
    /// network, agent or disk, a busy CA and a cancellation say nothing about the request.
    static func isFinal(_ error: any Error) -> Bool {
        if isPolicyRefusal(error) { return true }
        switch error {
        case let error as IssuanceError: return isFinal(error)
        case let error as ACMEClientError: return isFinal(error)
        case let error as StoreError: return error.reason == .chainRefused
        default: return false
        }
    }

    /// Whether the CA's answer shows that an earlier run's order cannot be completed, so that a new one may do better.
    /// - Parameter mayBeCertified: a certificate may have been issued, so a temporary failure of the CA says nothing
    ///   about the order.
    static func isDeadEnd(_ error: any Error, mayBeCertified: Bool = false) -> Bool {
        switch error {
        case let error as StoreError: return error.reason == .chainRefused
        case let error as IssuanceError:
            switch error {
            case .notProven, .orderFailed, .orderGone, .unexpectedAnswer: return true
            // An authorization may offer only challenges that already failed.
            case .noSolver(_, let offered): return offered != nil
            default: return false
            }
        case let error as ACMEClientError:
            switch error.problem?.kind {
            // About the account: the next order would get the same answer.
            case .accountDoesNotExist, .userActionRequired, .externalAccountRequired: return false
            default: return isFinal(error) || (error.status == 500 && !mayBeCertified)
            }
        default: return false
        }
    }

    /// Whether a refusal of newOrder may be about its `replaces`. RFC 9773 §5 names one error; for a certificate that the
    /// CA does not find it names none.
    static func mayBeAboutReplaces(_ error: ACMEClientError) -> Bool {
        switch error.problem?.kind {
        case .alreadyReplaced, .malformed: true
        default: error.status == 404 || error.status == 409
        }
    }

    /// Whether the agent's policy refused; then nothing was sent.
    static func isPolicyRefusal(_ error: any Error) -> Bool { (error as? any PolicyRefusal)?.isPolicyRefusal == true }

    private static func isFinal(_ error: IssuanceError) -> Bool {
        switch error {
        case .notProven, .orderFailed, .orderGone, .noSolver, .solver, .noIdentifiers, .noAccount, .profileNotOffered,
            .externalAccountMissing, .accountClosed, .keyMissing, .certificateKeyMissing, .keyRetired, .keyCompromised,
            .unexpectedAnswer:
            return true
        // The earlier order is unaffected; the next run may resume it.
        case .noEffect, .otherAccount: return false
        case .busy, .timedOut, .askedToWait, .termsNotAgreed, .externalAccountRequired, .notFound, .alreadyRevoked, .deployFailed:
            return false
        }
    }

    private static func isFinal(_ error: ACMEClientError) -> Bool {
        switch error {
        case .problem(let problem, let status, _, _):
            switch problem.kind {
            case .rateLimited, .serverInternal, .badNonce, .alreadyReplaced: return false
            default: return isRefusal(status)
            }
        case .unexpectedStatus(let status, _, _): return isRefusal(status)
        case .unexpectedContentType, .redirect, .invalidDocument, .missingHeader, .notOffered, .notADirectory: return true
        case .transport(let error): return error.kind == .tooLarge
        case .noncesExhausted, .noAccount: return false
        }
    }

    /// Whether an HTTP status is a final refusal. 408, 425 and 429 invite a retry.
    private static func isRefusal(_ status: Int) -> Bool { (400..<500).contains(status) && status != 408 && status != 425 && status != 429 }
}

extension ACMEClientError {
    /// The failure's HTTP status, if it has one.
    fileprivate var status: Int? {
        switch self {
        case .problem(_, let status, _, _), .unexpectedStatus(let status, _, _): status
        default: nil
        }
    }
}
