import ACME

/// Where certificates, accounts and the order journal are kept. `FolderStore` is the first implementation; a store shared by a fleet of
/// hosts can be another, since nothing here speaks of files, and no private key is ever in it.
///
/// Everything that returns without throwing is durable: it survives a loss of power.
public protocol CertificateStore: Sendable {
    /// The account at the CA with this directory.
    func account(at directory: ACMEURL) async throws(StoreError) -> StoredAccount?
    func accounts() async throws(StoreError) -> [StoredAccount]
    /// Writes the account down, over the one that was kept for its directory.
    func save(_ account: StoredAccount) async throws(StoreError)
    func removeAccount(at directory: ACMEURL) async throws(StoreError)

    /// The current generation of a certificate.
    func certificate(named name: CertificateName) async throws(StoreError) -> StoredCertificate?
    /// Names of all certificates, sorted.
    func certificateNames() async throws(StoreError) -> [CertificateName]
    /// Does what of `install` needs no certificate, while others work on it. It MUST NOT change what a reader sees, and MUST succeed or fail
    /// without a word: `install` does what is missing, and says what is wrong.
    func prepare(_ name: CertificateName) async
    /// Takes back what `prepare` did, where nothing was installed; as silent as it.
    func withdraw(_ name: CertificateName) async
    /// Checks a downloaded chain (`CertificateChain.check`) and makes it the current generation in one step: a reader sees the old one or
    /// the new one, never a mix. On any failure the old one stays.
    func install(_ certificate: NewCertificate) async throws(StoreError) -> StoredCertificate
    /// Notes that the deploy hook ran for this generation.
    func markDeployed(_ name: CertificateName, generation: Int) async throws(StoreError)
    /// Notes that this generation was revoked.
    func markRevoked(_ name: CertificateName, generation: Int) async throws(StoreError)
    /// Forgets a certificate with all its generations.
    func removeCertificate(named name: CertificateName) async throws(StoreError)

    /// The journal of an order that is not finished.
    func journal(named name: CertificateName) async throws(StoreError) -> OrderJournal?
    /// Names of all journals, sorted: what was interrupted.
    func journalNames() async throws(StoreError) -> [CertificateName]
    /// Writes the journal down; to be awaited before the step that it announces is taken.
    func write(_ journal: OrderJournal) async throws(StoreError)
    func removeJournal(named name: CertificateName) async throws(StoreError)

    /// Takes the lock of one certificate, or fails at once with `.locked` if another process has it. It is held until released, at the
    /// latest until this process dies.
    func lock(_ name: CertificateName) async throws(StoreError) -> any CertificateLock
}

/// A certificate's lock while it is held; given back when released or forgotten.
public protocol CertificateLock: Sendable {
    func release()
}

extension CertificateStore {
    public func prepare(_ name: CertificateName) async {}
    public func withdraw(_ name: CertificateName) async {}

    /// Adds a step to a journal and writes it down.
    public func record(_ step: JournalStep, in journal: inout OrderJournal) async throws(StoreError) {
        var next = journal
        next.append(step)
        try await write(next)
        journal = next
    }
}
