import ACME
import ACMEClient
import CertificateStore
import JOSE

/// Key rollover (RFC 8555 §7.3.5). Both keys are kept until it is known which one the CA uses.
extension AccountFlow {
    /// Gives the account another key, which is made if it does not exist, and retires the old one.
    ///
    /// An earlier change that was interrupted is settled first.
    /// - Throws: `IssuanceError`, `ACMEClientError` (a conflict if the new key already has an account), the key
    ///   provider's errors.
    public func changeKey(_ directory: ACMEURL, to newKey: KeyName, algorithm: KeyAlgorithm = .p256) async throws -> StoredAccount {
        let lock = try await store.lockAccount(at: directory)
        defer { lock.release() }
        let client = try await settledClient(for: directory)
        guard var account = try await store.account(at: directory) else { throw IssuanceError.noAccount(directory: directory) }
        guard account.key != newKey else { return account }
        let oldKey = account.key
        // Before the key is made and the CA is asked: from here on the next run checks both keys.
        account.nextKey = newKey
        try await store.save(account)
        if let known = try await keys.key(named: newKey) {
            observer(.keyUsed(known))
        } else {
            observer(.keyCreated(try await keys.createKey(named: newKey, algorithm: algorithm, purpose: .account(directory: directory))))
        }
        do {
            try await client.changeKey(to: newKey)
        } catch let error as ACMEClientError where error.problem != nil {
            // A failure after the change, or the refusal of a request that was sent again, looks like one without it: only
            // the CA knows which key it has.
            _ = try? await settledClient(for: directory)
            guard let settled = try await store.account(at: directory), settled.key == newKey else { throw error }
            return settled
        }
        account.key = newKey
        account.nextKey = nil
        account.formerKey = oldKey
        try await store.save(account)
        return try await retireFormerKey(account)
    }

    /// Finds out which of two keys the CA has after an interrupted change. The new key is tried first: if the CA has
    /// it, the old one no longer works.
    func settleKeyChange(_ account: StoredAccount, _ anonymous: ACMEClient) async throws -> StoredAccount {
        guard let next = account.nextKey else { return account }
        var settled = account
        settled.nextKey = nil
        if let key = try await keys.key(named: next) {
            let found = try await anonymous.signing(by: try await keys.signer(for: key)).findAccount()
            if let found, found.account.status == .valid, account.url == nil || found.url == account.url {
                settled.formerKey = account.key
                settled.key = next
                settled.url = found.url
            }
        }
        try await store.save(settled)
        if settled.key == next { return try await retireFormerKey(settled) }
        observer(.warning("the account keeps its key: a change to \"\(next)\" was interrupted before the CA made it"))
        return settled
    }

    /// Retires the key that another one has replaced. If that fails, the next use of the account tries again.
    func retireFormerKey(_ account: StoredAccount) async throws -> StoredAccount {
        guard let former = account.formerKey else { return account }
        do {
            // A key that is gone, or retired by hand, is as good.
            if let key = try await keys.key(named: former), !key.isRetired {
                try await keys.retireKey(named: former)
                observer(.keyRetired(name: former))
            }
        } catch {
            observer(.warning("the old account key \"\(former)\" could not be retired: \(error)"))
            // What policy does not allow it will not allow the next time either.
            guard Verdict.isPolicyRefusal(error) else { return account }
        }
        var settled = account
        settled.formerKey = nil
        try await store.save(settled)
        return settled
    }
}
