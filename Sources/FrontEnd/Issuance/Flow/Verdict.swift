import ACME
import ACMEClient
import CertificateStore

/// What an error says about trying again. Pure.
enum Verdict {
    /// Whether the same request has no better end another time, as far as can be told: it was refused, or answered with what it must not be.
    /// A network, an agent or a disk that fails, a CA that is busy, and whoever cuts the work off say nothing about the request.
    static func isFinal(_ error: any Error) -> Bool {
        if isPolicyRefusal(error) { return true }
        switch error {
        case let error as IssuanceError: return isFinal(error)
        case let error as ACMEClientError: return isFinal(error)
        case let error as StoreError: return error.reason == .chainRefused
        default: return false
        }
    }

    /// Whether an order of an earlier run leads nowhere by the CA's own word, so that a new one may end better.
    /// - Parameter mayBeCertified: a certificate may have been made: then a CA that fails at the moment says nothing
    ///   about the order.
    static func isDeadEnd(_ error: any Error, mayBeCertified: Bool = false) -> Bool {
        switch error {
        case let error as StoreError: return error.reason == .chainRefused
        case let error as IssuanceError:
            switch error {
            case .notProven, .orderFailed, .orderGone, .unexpectedAnswer: return true
            // An authorization may offer only what was tried before.
            case .noSolver(_, let offered): return offered != nil
            default: return false
            }
        case let error as ACMEClientError:
            switch error.problem?.kind {
            // About the account: the next order would be answered the same.
            case .accountDoesNotExist, .userActionRequired, .externalAccountRequired: return false
            default: return isFinal(error) || (error.status == 500 && !mayBeCertified)
            }
        default: return false
        }
    }

    /// Whether the agent's policy refused. Nothing was sent then.
    static func isPolicyRefusal(_ error: any Error) -> Bool { (error as? any PolicyRefusal)?.isPolicyRefusal == true }

    private static func isFinal(_ error: IssuanceError) -> Bool {
        switch error {
        case .notProven, .orderFailed, .orderGone, .noSolver, .solver, .noIdentifiers, .noAccount, .profileNotOffered,
            .externalAccountMissing, .accountClosed, .keyMissing, .certificateKeyMissing, .keyRetired, .unexpectedAnswer:
            return true
        // What was begun before stands; the next run may ask for it as it is.
        case .noEffect: return false
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

    /// Whether an HTTP status refuses a request for good. 408, 425 and 429 ask for another try.
    private static func isRefusal(_ status: Int) -> Bool { (400..<500).contains(status) && status != 408 && status != 425 && status != 429 }
}

extension ACMEClientError {
    /// The HTTP status of a failure that has one.
    fileprivate var status: Int? {
        switch self {
        case .problem(_, let status, _, _), .unexpectedStatus(let status, _, _): status
        default: nil
        }
    }
}
