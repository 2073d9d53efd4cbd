import ACME

/// Stores certificates, accounts and order journals, never a private key. `FolderStore` is the first implementation; a
/// store shared by a fleet of hosts can be another, since nothing here mentions files.
///
/// Whatever returns without throwing is durable: it survives a power failure.
public protocol CertificateStore: Sendable {
    /// The account at the CA with this directory.
    func account(at directory: ACMEURL) async throws(StoreError) -> StoredAccount?
    func accounts() async throws(StoreError) -> [StoredAccount]
    /// Saves the account in place of the directory's previous one.
    func save(_ account: StoredAccount) async throws(StoreError)
    func removeAccount(at directory: ACMEURL) async throws(StoreError)

    /// The current generation of a certificate.
    func certificate(named name: CertificateName) async throws(StoreError) -> StoredCertificate?
    /// The generations before the current one that are still stored and can be read, oldest first.
    func earlierGenerations(of name: CertificateName) async throws(StoreError) -> [StoredCertificate]
    /// Names of all certificates, sorted.
    func certificateNames() async throws(StoreError) -> [CertificateName]
    /// Does the part of `install` that needs no certificate, while the order is under way. It MUST NOT change what a
    /// reader sees, and reports no errors: `install` does what is missing and reports what is wrong.
    func prepare(_ name: CertificateName) async
    /// Undoes `prepare` if nothing was installed; reports no errors either.
    func withdraw(_ name: CertificateName) async
    /// Checks a downloaded chain (`CertificateChain.check`) and makes it the current generation atomically: a reader
    /// sees the old one or the new one, never a mix. On any failure the old one stays.
    func install(_ certificate: NewCertificate) async throws(StoreError) -> StoredCertificate
    /// Records that the deploy hook ran for this generation.
    func markDeployed(_ name: CertificateName, generation: Int) async throws(StoreError)
    /// Records that this generation was revoked.
    func markRevoked(_ name: CertificateName, generation: Int) async throws(StoreError)
    /// Removes a certificate with all its generations.
    func removeCertificate(named name: CertificateName) async throws(StoreError)

    /// Records that others may have a key. The record stays when the key's certificates are removed.
    func markCompromised(_ key: CompromisedKey) async throws(StoreError)
    /// Whether the key with this fingerprint (`KeyReference.fingerprint`) was recorded as compromised.
    func isCompromised(_ fingerprint: String) async throws(StoreError) -> Bool

    /// Records that a replaced key will be retired or deleted, in place of an earlier record of the same key.
    func markOutgoing(_ key: OutgoingKey) async throws(StoreError)
    /// The records of replaced keys, in no order.
    /// - Throws: `StoreError` if the folder cannot be read. A record that cannot be read is left out; see `damaged`.
    func outgoingKeys(damaged: (StoreError) -> Void) async throws(StoreError) -> [OutgoingKey]
    /// - Parameter fingerprint: of the key, as in `KeyReference`.
    func removeOutgoing(_ fingerprint: String) async throws(StoreError)

    /// The journal of an order that is not finished.
    func journal(named name: CertificateName) async throws(StoreError) -> OrderJournal?
    /// Names of all journals, sorted: the orders that were interrupted or have failed.
    func journalNames() async throws(StoreError) -> [CertificateName]
    /// Writes the journal; must be awaited before the step that it announces is taken.
    func write(_ journal: OrderJournal) async throws(StoreError)
    func removeJournal(named name: CertificateName) async throws(StoreError)

    /// A certificate that a CA without ACME is asked for.
    func awaited(named name: CertificateName) async throws(StoreError) -> AwaitedCertificate?
    /// Names of all awaited certificates, sorted.
    func awaitedNames() async throws(StoreError) -> [CertificateName]
    func write(_ awaited: AwaitedCertificate) async throws(StoreError)
    func removeAwaited(named name: CertificateName) async throws(StoreError)

    /// Takes a certificate's lock, or fails at once with `.locked` if another process holds it. The lock is held until
    /// it is released or this process ends.
    func lock(_ name: CertificateName) async throws(StoreError) -> any CertificateLock
    /// The same for an account: held while its key or its place at the CA changes.
    func lockAccount(at directory: ACMEURL) async throws(StoreError) -> any CertificateLock
}

/// Stores what renewals remember. Losing it does no harm.
public protocol RenewalStore: Sendable {
    /// What is remembered for the renewals of a certificate; an empty record if nothing is.
    /// - Throws: `StoreError` for a record that cannot be read. It can be replaced without harm.
    func renewalRecord(named name: CertificateName) async throws(StoreError) -> RenewalRecord
    func write(_ record: RenewalRecord) async throws(StoreError)
    func removeRenewalRecord(named name: CertificateName) async throws(StoreError)
    /// The orders placed at a CA of late; none if nothing is recorded.
    func orderCount(at directory: ACMEURL) async throws(StoreError) -> OrderCount
    func write(_ count: OrderCount) async throws(StoreError)
}

/// A certificate's lock while it is held.
public protocol CertificateLock: Sendable {
    func release()
}

extension CertificateStore {
    public func prepare(_ name: CertificateName) async {}
    public func withdraw(_ name: CertificateName) async {}

    // For stores of orders alone.
    public func awaited(named name: CertificateName) async throws(StoreError) -> AwaitedCertificate? { nil }
    public func awaitedNames() async throws(StoreError) -> [CertificateName] { [] }
    public func write(_ awaited: AwaitedCertificate) async throws(StoreError) {
        throw StoreError(.unavailable, message: "this store keeps no certificate requests")
    }
    public func removeAwaited(named name: CertificateName) async throws(StoreError) {}

    /// Adds a step to a journal and writes it.
    public func record(_ step: JournalStep, in journal: inout OrderJournal) async throws(StoreError) {
        var next = journal
        next.append(step)
        try await write(next)
        journal = next
    }
}
