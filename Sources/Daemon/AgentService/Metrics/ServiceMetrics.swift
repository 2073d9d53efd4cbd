import ACME
import AuditTrail
import CoreMetrics
import Glibc
import JOSE
import NIOCore
import PrometheusMetrics
import TokenProtocol
import TokenSupervisor

/// What the daemon counts and measures, through swift-metrics; Docs/metrics.md lists it. Counting makes nothing depend
/// on it: a figure is never read back.
///
/// Confined to one event loop. Handles are kept, so that a signature costs two lookups and no allocation.
final class ServiceMetrics {
    /// Of one signature's labels.
    private struct SignatureLabels: Hashable {
        var key: KeyName
        var operation: String?
        var grant: String?
        var isSigned: Bool
    }

    private struct RefusalLabels: Hashable {
        var operation: String
        var reason: String
    }

    /// Parts of a signature's time.
    enum Stage: String, CaseIterable {
        /// From the read of its last bytes until policy has allowed it and what is to be signed is composed: waiting for
        /// the user's turn and for earlier calls of the connection, parsing, identity, policy.
        case request
        /// From then until its intent is in the file and the token is asked.
        case intent
        /// With the helper, and waiting for it.
        case token
        /// From the last signature until the reply: the outcome, and the disk where the reply waits for it.
        case outcome
        /// From the read until the reply.
        case all
    }

    /// Label combinations that are told apart, and handles that are kept.
    private static let series = 500

    let registry = PrometheusRegistry(ServiceMetrics.families, seriesPerFamily: ServiceMetrics.series)
    private var signatures: [SignatureLabels: Counter] = [:]
    private var refusals: [RefusalLabels: Counter] = [:]
    private let stages: [Stage: CoreMetrics.Timer]
    private let start: Double

    init() {
        let registry = registry
        stages = Dictionary(
            Stage.allCases.map { ($0, Timer(label: Name.signatureSeconds, dimensions: [("stage", $0.rawValue)], factory: registry)) }
        ) { first, _ in first }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        start = Double(now.tv_sec)
    }

    // MARK: As things happen

    /// A token has made a signature, or it could not be made. A request may need two, by different keys.
    func signature(of job: SignatureJob, isMade: Bool) {
        let labels = SignatureLabels(
            key: job.task.key.name, operation: job.record.operation, grant: job.record.grant, isSigned: isMade)
        counter(for: labels).increment()
    }

    /// A signature's request was answered.
    func answered(_ job: SignatureJob, now: NIODeadline) {
        stages[.all]?.recordNanoseconds((now - job.received).nanoseconds)
        stages[.request]?.recordNanoseconds((job.accepted - job.received).nanoseconds)
        if let asked = job.asked {
            stages[.intent]?.recordNanoseconds((asked - job.accepted).nanoseconds)
            if let made = job.made {
                stages[.token]?.recordNanoseconds((made - asked).nanoseconds)
                stages[.outcome]?.recordNanoseconds((now - made).nanoseconds)
            }
        }
    }

    private func counter(for labels: SignatureLabels) -> Counter {
        if let known = signatures[labels] { return known }
        let counter = Counter(
            label: Name.signatures,
            dimensions: [
                ("key", labels.key.rawValue), ("purpose", labels.operation ?? ""),
                ("outcome", labels.isSigned ? "signed" : "failed"), ("grant", labels.grant ?? ""),
            ], factory: registry)
        // Beyond that the registry counts them together, under whatever labels they have.
        if signatures.count < Self.series { signatures[labels] = counter }
        return counter
    }

    /// A key was destroyed: callers may make keys, and without this its series would keep their places until the daemon
    /// ends.
    func forget(_ key: KeyName) {
        signatures = signatures.filter { $0.key.key != key }
        registry.forget(Name.signatures, where: "key", is: key.rawValue)
    }

    /// A request was not signed, although policy had allowed it.
    /// - Parameter reason: the error's name in the interface.
    func failed(_ reason: String, token: String) {
        Counter(label: Name.failures, dimensions: [("reason", reason), ("token", token)], factory: registry).increment()
    }

    func refused(_ operation: Operation, _ reason: String) {
        let labels = RefusalLabels(operation: operation.rawValue, reason: reason)
        if let known = refusals[labels] { return known.increment() }
        let counter = Counter(
            label: Name.refusals, dimensions: [("operation", labels.operation), ("reason", labels.reason)], factory: registry)
        if refusals.count < Self.series { refusals[labels] = counter }
        counter.increment()
    }

    /// A helper has logged in.
    func loggedIn(_ token: String) { Counter(label: Name.logins, dimensions: [("token", token)], factory: registry).increment() }

    func refusedConnection(_ reason: String) {
        Counter(label: Name.refusedConnections, dimensions: [("reason", reason)], factory: registry).increment()
    }

    // MARK: What is read at the moment of the question

    /// The last text, and until when it is given out again: a caller that asks without end must not keep the loop from
    /// signing.
    private var last: (text: String, until: NIODeadline)?
    private static let freshness = TimeAmount.seconds(1)

    /// All figures, at most a second old.
    func text(of service: AgentService, now: NIODeadline = .now()) -> String {
        if let last, now < last.until { return last.text }
        let text = newText(of: service)
        last = (text, now + Self.freshness)
        return text
    }

    /// Sets the figures that are states, not events, and writes all.
    private func newText(of service: AgentService) -> String {
        gauge(Name.info, 1, [("version", AgentVersion.current)])
        gauge(Name.startTime, start)
        var processor = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &processor)
        gauge(Name.processorSeconds, Double(processor.tv_sec) + Double(processor.tv_nsec) / 1e9)
        gauge(Name.connections, Double(service.connectionCount))
        setTokens(service.tokens)
        setTrail(service.audit)
        setKeys(service.keys)
        let configuration = service.configuration
        gauge(Name.configurationLoaded, Double(configuration.current.loaded) / 1_000)
        gauge(Name.configurationRefused, configuration.reloadError == nil ? 0 : 1)
        gauge(Name.entriesOff, Double(configuration.current.off.count + configuration.socketFaults.count))
        gauge(Name.grants, Double(service.gate.rules.policy.grants.count))
        return registry.text()
    }

    private func setTokens(_ tokens: TokenSet) {
        // Those that are no longer configured must not seem to be there.
        for name in [Name.tokenReady, Name.tokenFault, Name.tokenWaiting, Name.tokenInHand, Name.tokenRestarts] { registry.forget(name) }
        for name in tokens.names {
            guard let supervisor = tokens[name] else { continue }
            let label = [("token", name)], statistics = supervisor.statistics
            var isReady = false, fault: TokenFailure?
            switch supervisor.state {
            case .ready(let information):
                isReady = true
                // A PIN that was changed or locked does not disturb a login that holds.
                fault = information.pinFault
            case .unavailable(let failure): fault = failure
            case .starting, .stopped: break
            }
            gauge(Name.tokenReady, isReady ? 1 : 0, label)
            if let fault { gauge(Name.tokenFault, 1, label + [("reason", "\(fault.kind)")]) }
            gauge(Name.tokenWaiting, Double(statistics.queued), label)
            gauge(Name.tokenInHand, Double(statistics.inFlight), label)
            Counter(label: Name.tokenRestarts, dimensions: label, factory: registry).increment(by: Int64(statistics.restarts))
        }
    }

    private func setTrail(_ audit: AuditLog) {
        let statistics = audit.statistics
        gauge(Name.trailSequence, Double(audit.head.sequence))
        gauge(Name.trailWritable, audit.condition == nil ? 1 : 0)
        gauge(Name.trailUnsynced, Double(statistics.unsynced))
    }

    private func setKeys(_ keys: KeyAdministration) {
        // What the token still answered after a key was destroyed has made its series again.
        for key in Set(signatures.keys.map(\.key)) where keys.keyring.key(named: key) == nil { forget(key) }
        registry.forget(Name.keys)
        for (kind, count) in keys.keyring.counts {
            gauge(
                Name.keys, Double(count), [("usage", kind.usage.rawValue), ("state", kind.state == .active ? "active" : "retired")])
        }
    }

    private func gauge(_ name: String, _ value: Double, _ labels: [(String, String)] = []) {
        Gauge(label: name, dimensions: labels, factory: registry).record(value)
    }
}
