import ACME
import CertificateStore

/// The store's entries that need a key: certificates that are not revoked, accounts, and orders that can be resumed.
public struct KeyUse: Sendable {
    /// In words: "the certificate www".
    public private(set) var users: [String] = []
    /// The users that are known by name.
    public private(set) var certificates: [CertificateName] = []
    public private(set) var orders: [CertificateName] = []
    public private(set) var accounts: [ACMEURL] = []

    /// - Parameter name: A certificate that does not count, nor its order.
    /// - Throws: `StoreError` if the folder cannot be read. An unreadable entry may need any key, and counts.
    public init(_ key: KeyName, in store: any CertificateStore, besides name: CertificateName? = nil) async throws(StoreError) {
        for other in try await store.certificateNames() where other != name {
            do throws(StoreError) {
                guard let certificate = try await store.certificate(named: other), !certificate.isRevoked else { continue }
                guard certificate.metadata.key.name == key else { continue }
                users.append("the certificate \(other)")
                certificates.append(other)
            } catch {
                users.append("perhaps the certificate \(other), which cannot be read")
            }
        }
        do throws(StoreError) {
            for account in try await store.accounts()
            where !account.isDeactivated && (account.key == key || account.nextKey == key) {
                users.append("the account at \(account.directory.origin)")
                accounts.append(account.directory)
            }
        } catch {
            guard error.reason == .damaged || error.reason == .newerFormat else { throw error }
            users.append("perhaps an account, which cannot be read\(error.path.map { " (\($0))" } ?? "")")
        }
        for other in try await store.awaitedNames() where other != name {
            do throws(StoreError) {
                guard try await store.awaited(named: other)?.key == key else { continue }
                users.append("the awaited certificate \(other)")
                orders.append(other)
            } catch {
                users.append("perhaps the awaited certificate \(other), which cannot be read")
            }
        }
        for other in try await store.journalNames() where other != name {
            do throws(StoreError) {
                guard let journal = try await store.journal(named: other), !journal.hasFailed else { continue }
                guard journal.key == key else { continue }
                users.append("the interrupted order of \(other)")
                orders.append(other)
            } catch {
                users.append("perhaps the interrupted order of \(other), which cannot be read")
            }
        }
    }
}
