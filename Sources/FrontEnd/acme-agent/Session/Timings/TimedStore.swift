import ACME
import CertificateStore

/// Times the store's reads and writes. Calls that an ordinary issuance does not make are not timed.
struct TimedStore: CertificateStore {
    let base: any CertificateStore
    let timings: Timings

    private func timed<Result>(_ name: String, _ work: () async throws(StoreError) -> Result) async throws(StoreError) -> Result {
        try await timings.measure(.store, name, work)
    }

    func account(at directory: ACMEURL) async throws(StoreError) -> StoredAccount? {
        try await timed("read account") { () async throws(StoreError) in try await base.account(at: directory) }
    }
    func accounts() async throws(StoreError) -> [StoredAccount] { try await base.accounts() }
    func save(_ account: StoredAccount) async throws(StoreError) {
        try await timed("write account") { () async throws(StoreError) in try await base.save(account) }
    }
    func removeAccount(at directory: ACMEURL) async throws(StoreError) { try await base.removeAccount(at: directory) }

    func certificate(named name: CertificateName) async throws(StoreError) -> StoredCertificate? {
        try await timed("read certificate") { () async throws(StoreError) in try await base.certificate(named: name) }
    }
    func earlierGenerations(of name: CertificateName) async throws(StoreError) -> [StoredCertificate] {
        try await base.earlierGenerations(of: name)
    }
    func certificateNames() async throws(StoreError) -> [CertificateName] { try await base.certificateNames() }
    func prepare(_ name: CertificateName) async { await timings.measure(.store, "make folders") { await base.prepare(name) } }
    func withdraw(_ name: CertificateName) async { await base.withdraw(name) }
    func install(_ certificate: NewCertificate) async throws(StoreError) -> StoredCertificate {
        try await timed("install") { () async throws(StoreError) in try await base.install(certificate) }
    }
    func markDeployed(_ name: CertificateName, generation: Int) async throws(StoreError) {
        try await timed("write state") { () async throws(StoreError) in try await base.markDeployed(name, generation: generation) }
    }
    func markRevoked(_ name: CertificateName, generation: Int) async throws(StoreError) {
        try await timed("write state") { () async throws(StoreError) in try await base.markRevoked(name, generation: generation) }
    }
    func removeCertificate(named name: CertificateName) async throws(StoreError) { try await base.removeCertificate(named: name) }

    func markCompromised(_ key: CompromisedKey) async throws(StoreError) { try await base.markCompromised(key) }
    func isCompromised(_ fingerprint: String) async throws(StoreError) -> Bool {
        try await timed("read key") { () async throws(StoreError) in try await base.isCompromised(fingerprint) }
    }

    func markOutgoing(_ key: OutgoingKey) async throws(StoreError) {
        try await timed("write key") { () async throws(StoreError) in try await base.markOutgoing(key) }
    }
    func outgoingKeys(damaged: (StoreError) -> Void) async throws(StoreError) -> [OutgoingKey] {
        try await base.outgoingKeys(damaged: damaged)
    }
    func removeOutgoing(_ fingerprint: String) async throws(StoreError) { try await base.removeOutgoing(fingerprint) }

    func journal(named name: CertificateName) async throws(StoreError) -> OrderJournal? {
        try await timed("read journal") { () async throws(StoreError) in try await base.journal(named: name) }
    }
    func journalNames() async throws(StoreError) -> [CertificateName] { try await base.journalNames() }
    func write(_ journal: OrderJournal) async throws(StoreError) {
        try await timed("write journal") { () async throws(StoreError) in try await base.write(journal) }
    }
    func removeJournal(named name: CertificateName) async throws(StoreError) {
        try await timed("remove journal") { () async throws(StoreError) in try await base.removeJournal(named: name) }
    }
    func awaited(named name: CertificateName) async throws(StoreError) -> AwaitedCertificate? { try await base.awaited(named: name) }
    func awaitedNames() async throws(StoreError) -> [CertificateName] { try await base.awaitedNames() }
    func write(_ awaited: AwaitedCertificate) async throws(StoreError) { try await base.write(awaited) }
    func removeAwaited(named name: CertificateName) async throws(StoreError) { try await base.removeAwaited(named: name) }
    func lock(_ name: CertificateName) async throws(StoreError) -> any CertificateLock {
        try await timed("lock") { () async throws(StoreError) in try await base.lock(name) }
    }
    func lockAccount(at directory: ACMEURL) async throws(StoreError) -> any CertificateLock {
        try await timed("lock account") { () async throws(StoreError) in try await base.lockAccount(at: directory) }
    }
}
