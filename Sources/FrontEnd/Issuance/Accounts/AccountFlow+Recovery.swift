import ACME
import ACMEClient
import CertificateStore

/// How an account was recovered.
public enum AccountRecovery: String, Sendable {
    /// Nothing was lost.
    case working
    /// The CA has it, under a URL that the store did not have.
    case found
    /// The CA had lost it: the same key has a new one.
    case registered
}

/// What a lost account is recovered with.
public struct AccountRecoveryRequest: Sendable {
    public var directory: ACMEURL
    /// Keys whose account is looked for if the store has none.
    public var candidates: [KeyName]
    public var agreesToTerms: Bool
    /// Name of an external account credential in the agent (RFC 8555 §7.3.4).
    public var externalAccount: String?

    public init(directory: ACMEURL, candidates: [KeyName], agreesToTerms: Bool = false, externalAccount: String? = nil) {
        self.directory = directory
        self.candidates = candidates
        self.agreesToTerms = agreesToTerms
        self.externalAccount = externalAccount
    }
}

/// Recovery of an account that the store or the CA has lost. Its key is what remains: the CA is asked which account the
/// key has (RFC 8555 §7.3.1).
extension AccountFlow {
    /// Finds the account of a key again or, if the CA has lost it, registers another one with the same key.
    ///
    /// An interrupted call is made good by the next one: it finds the account that was registered.
    /// - Throws: `IssuanceError`: `.noAccount` if no key has an account, `.accountClosed`, `.termsNotAgreed` if the CA's
    ///   terms are not those that were agreed to; `ACMEClientError`, `StoreError`, the key provider's errors.
    public func recover(_ request: AccountRecoveryRequest) async throws -> (account: StoredAccount, recovery: AccountRecovery) {
        let lock = try await store.lockAccount(at: request.directory)
        defer { lock.release() }
        let anonymous = client(request.directory)
        guard var kept = try await store.account(at: request.directory) else {
            let account = try await search(request, anonymous)
            try await store.save(account)
            return (account, .found)
        }
        guard !kept.isDeactivated else { throw closed(kept, nil) }
        if kept.nextKey != nil { kept = try await settleKeyChange(kept, anonymous) }
        let signer = try await signer(kept.key)
        if let url = kept.url {
            do {
                guard try await anonymous.signing(by: signer, account: url).fetchAccount().status == .valid else { throw closed(kept, nil) }
                return (kept, .working)
            } catch let error as ACMEClientError where Self.mayBeLost(error) {}
        }
        do {
            if let found = try await anonymous.signing(by: signer).findAccount() {
                guard found.account.status == .valid else { throw closed(kept, nil) }
                let isKnown = kept.url == found.url
                kept.url = found.url
                try await store.save(kept)
                return (kept, isKnown ? .working : .found)
            }
        } catch let error as ACMEClientError where error.problem?.kind == .unauthorized { throw closed(kept, error.problem) }
        let directory = try await anonymous.directory()
        if let terms = directory.termsOfService, !request.agreesToTerms, kept.termsOfService != terms {
            throw IssuanceError.termsNotAgreed(terms)
        }
        if directory.externalAccountRequired, request.externalAccount == nil {
            throw IssuanceError.externalAccountRequired(directory: request.directory)
        }
        let registered = try await anonymous.signing(by: signer).newAccount(
            NewAccount(
                contact: kept.contact, termsOfServiceAgreed: directory.termsOfService == nil ? nil : true,
                externalAccount: request.externalAccount))
        kept.url = registered.url
        kept.termsOfService = directory.termsOfService
        try await store.save(kept)
        observer(.accountRegistered(url: registered.url, key: kept.key, isNew: registered.isNew))
        return (kept, .registered)
    }

    /// Whether an answer to a request by the account's URL may mean that the CA does not know it. RFC 8555 §6.7 has an
    /// error for that; servers that lost their data also answer with another, or with 404.
    private static func mayBeLost(_ error: ACMEClientError) -> Bool {
        switch error {
        case .problem(let problem, let status, _, _):
            [.accountDoesNotExist, .unauthorized, .malformed].contains(problem.kind) || status == 404 || status == 410
        case .unexpectedStatus(let status, _, _): status == 404 || status == 410
        default: false
        }
    }

    /// The account of one of the keys, if exactly one has one.
    private func search(_ request: AccountRecoveryRequest, _ anonymous: ACMEClient) async throws -> StoredAccount {
        var found: [StoredAccount] = [], firstFailure: (any Error)?
        for name in request.candidates {
            do {
                guard let account = try await anonymous.signing(by: try await signer(name)).findAccount(), account.account.status == .valid
                else { continue }
                found.append(
                    StoredAccount(directory: request.directory, key: name, url: account.url, contact: account.account.contact))
            } catch let error as ACMEClientError where error.problem?.kind == .unauthorized {
                // A closed account.
                firstFailure = firstFailure ?? IssuanceError.accountClosed(name, error.problem, contact: [], directory: request.directory)
            } catch let error as any PolicyRefusal where error.isPolicyRefusal { firstFailure = firstFailure ?? error }
        }
        guard let account = found.first else { throw firstFailure ?? IssuanceError.noAccount(directory: request.directory) }
        guard found.count == 1 else {
            let list = found.map { "\"\($0.key)\" (\($0.url?.text ?? ""))" }.joined(separator: ", ")
            throw IssuanceError.noEffect("several keys have accounts at this CA: \(list)", hint: "--key NAME says which one to use")
        }
        return account
    }
}
