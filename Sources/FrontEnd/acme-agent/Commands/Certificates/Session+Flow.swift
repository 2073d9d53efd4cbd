import ACME
import ACMEClient
import CertificateStore
import Dispatch
import Issuance

extension Session {
    /// Runs `body` with the flow that orders certificates at a CA with the user's account.
    /// - Parameters:
    ///   - certificate: the settings; defaults apply to missing ones.
    ///   - certificateKey: signs a revocation in place of the account's key. Nothing else can be requested then.
    ///   - oldKey: what happens to the key that the certificate's new one replaces.
    ///   - timings: records when each step begins and ends.
    func withFlow<Result: Sendable>(
        at directory: ACMEURL, keys: any KeyProvider, _ certificate: CertificateSettings, _ display: ProgressDisplay,
        revokingBy certificateKey: KeyName? = nil, oldKey: IssuanceRequest.OldKey = .retire, timings: Timings? = nil,
        _ body: (IssuanceFlow) async throws -> Result
    ) async throws -> Result {
        OrderCounter.shared.begin(in: store)
        defer { OrderCounter.shared.finish() }
        return try await withTransport(to: directory, remembered: certificate.caCertificate) { connection in
            var store: any CertificateStore = store, transport: any HTTPTransport = connection, keys = keys
            var time: any Timekeeping = SystemTime()
            if let timings {
                store = TimedStore(base: store, timings: timings)
                transport = TimedTransport(base: transport, timings: timings)
                keys = TimedKeys(base: keys, timings: timings)
                time = TimedTime(base: time, timings: timings)
            }
            let accounts = AccountFlow(store: store, keys: keys, transport: transport, time: time, observer: display.observer)
            let issuer: ACMEIssuer
            if let certificateKey {
                issuer = try await accounts.issuer(at: directory, revokingBy: certificateKey)
            } else {
                let client = try await accounts.client(for: directory)
                client.warmUp()
                issuer = try ACMEIssuer(client: client)
            }
            var solvers = certificate.solvers(for: issuer.account, observer: display.observer)
            if let timings { solvers = solvers.map { TimedSolver(base: $0, timings: timings) } }
            let flow = IssuanceFlow(
                issuer: issuer, store: store, keys: keys, solvers: solvers, time: time,
                deploy: certificate.deployHooks.map { Hooks.deploy($0, stateDirectory: settings.stateDirectory, oldKey: oldKey) },
                oldKeyGrace: .seconds(certificate.oldKeyGrace ?? CertificateSettings.defaultOldKeyGrace),
                releasesAuthorizations: { [known = settings.knownCA(at: directory), key = issuer.accountKey] in
                    guard known.limits.pendingAuthorizations != nil else { return false }
                    return await self.mayDeactivateAuthorizations(key)
                },
                observer: counting(at: directory, display.observer))
            return try await body(flow)
        }
    }

    /// Whether a grant allows it, which is rare: the same grant lets its user deactivate the account.
    private func mayDeactivateAuthorizations(_ key: KeyName) async -> Bool {
        guard let grants = try? await agent().status().grants else { return false }
        return grants.contains { $0.operations.contains(Operation.deactivateAuthorization.rawValue) && $0.covers(key) }
    }

    /// Counts what counts towards the CA's limits.
    private func counting(at directory: ACMEURL, _ observer: @escaping IssuanceObserver) -> IssuanceObserver {
        let limits = settings.knownCA(at: directory).limits
        return { [store] event in
            let now = Session.now, oldest = now - OrderCounter.span
            switch event {
            case .orderCreated: OrderCounter.shared.count(directory, in: store) { $0.add(now, forgettingBefore: oldest) }
            case .installed(let stored) where limits.identicalCertificates != nil:
                let names = stored.metadata.identifiers
                OrderCounter.shared.count(directory, in: store) { $0.add(certificateFor: names, now, forgettingBefore: oldest) }
            case .failed(let name, _) where limits.failedValidations != nil:
                OrderCounter.shared.count(directory, in: store) { $0.add(failureOf: name, now, forgettingBefore: oldest) }
            default: break
            }
            observer(event)
        }
    }

    /// Runs work that a signal cancels, and removes the progress display afterwards.
    /// - Parameter file: the file for the work's timings, however it ended.
    func followed<Result: Sendable>(
        _ display: ProgressDisplay, timings file: String? = nil, _ work: @escaping @Sendable (Timings?) async throws -> Result
    ) async throws -> Result {
        if let file { try Timings.check(file) }
        let timings = file.map { _ in Timings() }
        do {
            let result = try await Interruption.cancelling(notice: { Interruption.announce(display) }) { try await work(timings) }
            display.finish(summary: true)
            if let file { try timings?.write(to: file) }
            return result
        } catch {
            display.finish(summary: false)
            // The work's own failure takes precedence.
            if let file { try? timings?.write(to: file) }
            throw error
        }
    }
}

/// Counts placed orders, certificates and failed validations, one after another: several may happen at once.
private final class OrderCounter: Sendable {
    static let shared = OrderCounter()
    /// Seconds for which all is remembered: no known limit counts longer than a week.
    static let span: Int64 = 7 * 86_400

    private let queue = DispatchQueue(label: "orders")

    /// Removes what an interrupted count has left.
    func begin(in store: FolderStore) { queue.async { store.removeUnfinishedOrderCounts() } }

    /// Returns when all are written: the process may end after that.
    func finish() { queue.sync {} }

    /// Returns at once; the count is a bound, not a record.
    func count(_ directory: ACMEURL, in store: FolderStore, _ body: @escaping @Sendable (inout OrderCount) -> Void) {
        queue.async {
            var count = (try? store.orderCount(at: directory)) ?? OrderCount(directory: directory)
            body(&count)
            try? store.write(count)
        }
    }
}
