import ACME
import ACMEClient
import CertificateStore
import JOSE

/// Key rollover (RFC 8555 §7.3.5). Both keys are kept until it is known which one the CA has.
extension AccountFlow {
    /// Gives the account another key, made where there is none of that name, and retires the old one.
    ///
    /// Where an earlier change was cut off it is settled first, whatever its outcome.
    /// - Throws: `IssuanceError`, `ACMEClientError` (a conflict where the new key has an account already), what the key provider says.
    public func changeKey(_ directory: ACMEURL, to newKey: KeyName, algorithm: KeyAlgorithm = .p256) async throws -> StoredAccount {
        let client = try await client(for: directory)
        guard var account = try await store.account(at: directory) else { throw IssuanceError.noAccount(directory: directory) }
        guard account.key != newKey else { return account }
        let oldKey = account.key
        // Before the key is made and the CA asked: from here on the next run looks at both.
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
            // The CA says no, so it has the old key.
            account.nextKey = nil
            try await store.save(account)
            throw error
        }
        account.key = newKey
        account.nextKey = nil
        try await store.save(account)
        await retire(oldKey)
        return account
    }

    /// Finds out which of two keys the CA has after a change that was cut off: the new one is asked for first, since where that is the
    /// one, the old one is worth nothing any more.
    func settleKeyChange(_ account: StoredAccount, _ anonymous: ACMEClient) async throws -> StoredAccount {
        guard let next = account.nextKey else { return account }
        var settled = account
        settled.nextKey = nil
        if let key = try await keys.key(named: next) {
            let found = try await anonymous.signing(by: try await keys.signer(for: key)).findAccount()
            if let found, found.account.status == .valid, account.url == nil || found.url == account.url {
                settled.key = next
                settled.url = found.url
            }
        }
        try await store.save(settled)
        if settled.key == next {
            await retire(account.key)
        } else {
            observer(.warning("the account keeps its key: a change to \"\(next)\" was cut off before the CA had made it"))
        }
        return settled
    }

    private func retire(_ name: KeyName) async {
        do {
            try await keys.retireKey(named: name)
            observer(.keyRetired(name: name))
        } catch {
            observer(.warning("the old account key \"\(name)\" could not be retired: \(error)"))
        }
    }
}
