import ACME
import CertificateStore

/// What of the store needs a key: certificates that are not revoked, accounts, and orders that a run may go on with.
struct KeyUse {
    private(set) var users: [String] = []

    /// - Throws: `StoreError` where the folder cannot be read. An entry that is damaged says of no key that it needs it.
    init(_ key: KeyName, in store: any CertificateStore) async throws {
        for name in try await store.certificateNames() {
            guard let certificate = try? await store.certificate(named: name), !certificate.isRevoked else { continue }
            if certificate.metadata.key.name == key { users.append("the certificate \(name)") }
        }
        for account in try await store.accounts() where account.key == key || account.nextKey == key {
            users.append("the account at \(account.directory.origin)")
        }
        for name in try await store.journalNames() {
            guard let journal = try? await store.journal(named: name) else { continue }
            if journal.key == key { users.append("the interrupted order of \(name)") }
        }
    }

    /// Refuses what would leave a certificate, an account or an order without its key.
    /// - Parameter deed: what is asked for, as a verb: `delete`.
    func refuse(_ deed: String, of key: KeyName, force: Bool) throws(Failure) {
        guard !force, !users.isEmpty else { return }
        throw Failure(
            "key-in-use", .failed, "key \(key) is in use: \(Wording.list(users, limit: 8))",
            hint: "--force will \(deed) it all the same; `acme-agent renew NAME --new-key` gives a certificate another key first")
    }
}
