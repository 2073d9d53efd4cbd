import ACME
import ACMEClient
import CertificateStore
import Issuance
import JOSE
import Synchronization
import TestSupport

/// A CA, a store, keys and a solver for one test, and flows over them that can be killed.
final class Bench: Sendable {
    let time = VirtualTime()
    let solver = MemorySolver()
    let keys = SoftwareKeys()
    let folder: TemporaryFolder
    let store: FolderStore
    let ca: FakeCA
    let accountKey: SoftwareSigner
    let account: ACMEURL
    let events = Mutex<[IssuanceEvent]>([])

    /// - Parameter look: where the CA looks for challenges of an account's key, in place of the solver.
    init(
        _ behaviour: FakeCA.Behaviour = .init(), look: (@Sendable (PublicKey, Identifier, String, String) -> String?)? = nil
    ) throws {
        let solver = solver
        folder = try TemporaryFolder()
        store = FolderStore(folder: folder.file("state"))
        let accountKey = SoftwareSigner(keys: keys)
        ca = FakeCA(time: time, behaviour: behaviour) { identifier, type, token in
            if let look { return look(accountKey.publicKey, identifier, type, token) }
            return solver.answer(token)
        }
        self.accountKey = accountKey
        account = try ca.addAccount(accountKey.publicKey)
    }

    func flow(
        killedBy killSwitch: KillSwitch = KillSwitch(), onFullDisk isFull: Bool = false, deploy: IssuanceFlow.DeployHook? = nil,
        grace: Duration = .zero, solvers: [any ChallengeSolver]? = nil,
        limits: IssuanceLimits = IssuanceLimits(), transport: (any HTTPTransport)? = nil, keys: (any KeyProvider)? = nil,
        signer: (any AccountSigner)? = nil
    ) throws -> IssuanceFlow {
        let client = ACMEClient(
            directory: try ca.directory, transport: KillableTransport(base: transport ?? ca, killSwitch), signer: signer ?? accountKey,
            account: account,
            time: time,
            observer: IssuanceEvent.forward { [self] event in record(event) })
        return IssuanceFlow(
            issuer: try ACMEIssuer(client: client), store: KillableStore(base: store, killSwitch, isFull: isFull),
            keys: KillableKeys(base: keys ?? self.keys, killSwitch), solvers: solvers ?? [KillableSolver(base: solver, killSwitch)],
            limits: limits,
            time: time, deploy: deploy, oldKeyGrace: grace, observer: { [self] event in record(event) })
    }

    private func record(_ event: IssuanceEvent) { events.withLock { $0.append(event) } }

    var eventNames: [String] { events.withLock { $0.map(\.name) } }

    static func request(_ names: [String] = ["www.example.org"]) throws -> IssuanceRequest {
        let identifiers = try names.map { try Identifier(argument: $0) }
        return IssuanceRequest(name: CertificateName(identifiers[0]), identifiers: identifiers)
    }
}

/// Stops everything after a number of steps, like SIGKILL: completed steps stay, nothing more happens, no answer
/// arrives.
final class KillSwitch: Sendable {
    struct Killed: Error {}
    private let steps: Mutex<(left: Int, taken: Int)>

    init(after limit: Int = .max) { steps = Mutex((limit, 0)) }

    var isDead: Bool { steps.withLock { $0.left <= 0 } }
    var taken: Int { steps.withLock { $0.taken } }

    func step() throws {
        try steps.withLock { steps in
            guard steps.left > 0 else { throw Killed() }
            steps.left -= 1
            steps.taken += 1
        }
    }

    /// One step before and one after: the work is done, but its result is lost.
    func around<Result>(_ deed: () async throws -> Result) async throws -> Result {
        try step()
        let result = try await deed()
        try step()
        return result
    }

    func around<Result>(_ deed: () async throws(StoreError) -> Result) async throws(StoreError) -> Result {
        do { try step() } catch { throw StoreError(.unavailable, message: "killed") }
        let result = try await deed()
        do { try step() } catch { throw StoreError(.unavailable, message: "killed") }
        return result
    }
}

struct KillableTransport: HTTPTransport {
    let base: any HTTPTransport
    let killSwitch: KillSwitch
    init(base: any HTTPTransport, _ killSwitch: KillSwitch) { (self.base, self.killSwitch) = (base, killSwitch) }

    func send(_ request: HTTPRequest) async throws -> HTTPResponse { try await killSwitch.around { try await base.send(request) } }
}

struct KillableKeys: KeyProvider {
    let base: any KeyProvider
    let killSwitch: KillSwitch
    init(base: any KeyProvider, _ killSwitch: KillSwitch) { (self.base, self.killSwitch) = (base, killSwitch) }

    func key(named name: KeyName) async throws -> ManagedKey? { try await killSwitch.around { try await base.key(named: name) } }
    func mayCreateKey(named name: KeyName) async -> Bool { await base.mayCreateKey(named: name) }
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey {
        try await killSwitch.around { try await base.createKey(named: name, algorithm: algorithm, purpose: purpose) }
    }
    func retireKey(named name: KeyName) async throws { try await killSwitch.around { try await base.retireKey(named: name) } }
    func deleteKey(named name: KeyName) async throws { try await killSwitch.around { try await base.deleteKey(named: name) } }
    func signer(for key: ManagedKey) async throws -> any AccountSigner { try await base.signer(for: key) }
}

struct KillableSolver: ChallengeSolver {
    let base: any ChallengeSolver
    let killSwitch: KillSwitch
    init(base: any ChallengeSolver, _ killSwitch: KillSwitch) { (self.base, self.killSwitch) = (base, killSwitch) }

    var type: ChallengeType { base.type }
    func canSolve(_ identifier: Identifier) -> Bool { base.canSolve(identifier) }
    func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String { base.target(of: identifier, keyAuthorization) }
    func present(_ answer: ChallengeAnswer) async throws { try await killSwitch.around { try await base.present(answer) } }
    func waitForValidation(of answers: [ChallengeAnswer], quiet: Duration, limit: Duration) async -> Bool {
        await base.waitForValidation(of: answers, quiet: quiet, limit: limit)
    }
    func cleanUp(_ answer: ChallengeAnswer) async throws { try await killSwitch.around { try await base.cleanUp(answer) } }
}

struct KillableStore: CertificateStore {
    let base: any CertificateStore
    let killSwitch: KillSwitch
    /// Journals cannot be written: the disk is full.
    let isFull: Bool

    init(base: any CertificateStore, _ killSwitch: KillSwitch, isFull: Bool = false) {
        self.base = base
        self.killSwitch = killSwitch
        self.isFull = isFull
    }

    func account(at directory: ACMEURL) async throws(StoreError) -> StoredAccount? {
        try await killSwitch.around { () async throws(StoreError) in try await base.account(at: directory) }
    }
    func accounts() async throws(StoreError) -> [StoredAccount] { try await base.accounts() }
    func save(_ account: StoredAccount) async throws(StoreError) {
        try await killSwitch.around { () async throws(StoreError) in try await base.save(account) }
    }
    func removeAccount(at directory: ACMEURL) async throws(StoreError) { try await base.removeAccount(at: directory) }
    func certificate(named name: CertificateName) async throws(StoreError) -> StoredCertificate? {
        try await killSwitch.around { () async throws(StoreError) in try await base.certificate(named: name) }
    }
    func earlierGenerations(of name: CertificateName) async throws(StoreError) -> [StoredCertificate] {
        try await base.earlierGenerations(of: name)
    }
    func certificateNames() async throws(StoreError) -> [CertificateName] { try await base.certificateNames() }
    func install(_ certificate: NewCertificate) async throws(StoreError) -> StoredCertificate {
        try await killSwitch.around { () async throws(StoreError) in try await base.install(certificate) }
    }
    func markDeployed(_ name: CertificateName, generation: Int) async throws(StoreError) {
        try await killSwitch.around { () async throws(StoreError) in try await base.markDeployed(name, generation: generation) }
    }
    func markRevoked(_ name: CertificateName, generation: Int) async throws(StoreError) {
        try await killSwitch.around { () async throws(StoreError) in try await base.markRevoked(name, generation: generation) }
    }
    func removeCertificate(named name: CertificateName) async throws(StoreError) { try await base.removeCertificate(named: name) }
    func markCompromised(_ key: CompromisedKey) async throws(StoreError) {
        try await killSwitch.around { () async throws(StoreError) in try await base.markCompromised(key) }
    }
    func isCompromised(_ fingerprint: String) async throws(StoreError) -> Bool { try await base.isCompromised(fingerprint) }
    func markOutgoing(_ key: OutgoingKey) async throws(StoreError) {
        try await killSwitch.around { () async throws(StoreError) in try await base.markOutgoing(key) }
    }
    func outgoingKeys(damaged: (StoreError) -> Void) async throws(StoreError) -> [OutgoingKey] {
        try await base.outgoingKeys(damaged: damaged)
    }
    func removeOutgoing(_ fingerprint: String) async throws(StoreError) { try await base.removeOutgoing(fingerprint) }

    func journal(named name: CertificateName) async throws(StoreError) -> OrderJournal? {
        try await killSwitch.around { () async throws(StoreError) in try await base.journal(named: name) }
    }
    func journalNames() async throws(StoreError) -> [CertificateName] { try await base.journalNames() }
    func write(_ journal: OrderJournal) async throws(StoreError) {
        if isFull { throw StoreError(.storageFull, message: "the file cannot be written") }
        try await killSwitch.around { () async throws(StoreError) in try await base.write(journal) }
    }
    func removeJournal(named name: CertificateName) async throws(StoreError) {
        try await killSwitch.around { () async throws(StoreError) in try await base.removeJournal(named: name) }
    }
    func lock(_ name: CertificateName) async throws(StoreError) -> any CertificateLock { try await base.lock(name) }
    func lockAccount(at directory: ACMEURL) async throws(StoreError) -> any CertificateLock {
        try await base.lockAccount(at: directory)
    }
}
