import ACME
import AgentInterface
import AuditTrail
import DaemonLog
import Keyring
import NIOCore
import SigningPolicy
import TokenProtocol
import TokenSupervisor
import Varlink

/// Answers the agent's interface: each call is read into a closed type, decided by policy, and handed to the part that
/// executes it.
///
/// Confined to one event loop.
final class AgentService: VarlinkService {
    typealias Peer = AgentPeer

    let info: VarlinkServiceInfo
    let interfaces: [VarlinkInterface]

    let eventLoop: any EventLoop
    let gate: Gate
    let audit: AuditLog
    let tokens: TokenSet
    let configuration: ConfigurationKeeper
    let pipeline: SigningPipeline
    let keys: KeyAdministration
    let trail: AuditReading
    /// Reads and composes what would block the loop.
    let long: TurnThread
    let metrics: ServiceMetrics
    let logger: DaemonLogger
    /// Descriptors available for connections.
    let descriptors: Int
    private var connections: [UInt32: Int] = [:]
    private(set) var connectionCount = 0

    init(
        eventLoop: any EventLoop, gate: Gate, audit: AuditLog, tokens: TokenSet,
        pipeline: SigningPipeline, keys: KeyAdministration, trail: AuditReading, long: TurnThread, configuration: ConfigurationKeeper,
        descriptors: Int, metrics: ServiceMetrics, logger: DaemonLogger
    ) throws {
        info = VarlinkServiceInfo(
            vendor: "acme-agent", product: "acme-agentd", version: AgentVersion.current, url: "")
        interfaces = [try VarlinkInterface(parsing: AgentInterfaceText.text)]
        self.eventLoop = eventLoop
        self.gate = gate
        self.audit = audit
        self.tokens = tokens
        self.configuration = configuration
        self.pipeline = pipeline
        self.keys = keys
        self.trail = trail
        self.long = long
        self.descriptors = descriptors
        self.metrics = metrics
        self.logger = logger
    }

    // MARK: Connections

    /// Whether one more connection of this user is accepted: one user's flood must not keep the others out.
    func mayConnect(_ peer: AgentPeer) -> Bool {
        guard peer.uid != SigningPolicy.Peer.unmapped else {
            metrics.refusedConnection("unmapped-user")
            logger.log(
                .connectionRefused, "a connection from an unmapped user was refused",
                [.uid: "\(peer.uid)", .reason: "unmapped-user"])
            return false
        }
        let configured = gate.rules.limits
        let limits = DescriptorShares(connections: configured.connections, perUser: configured.connectionsPerUser, room: descriptors)
        guard connectionCount < limits.connections else {
            metrics.refusedConnection("limit-of-all")
            logger.log(
                .connectionRefused, "too many connections of all users",
                [.uid: "\(peer.uid)", .reason: "limit-of-all", .limit: "\(limits.connections)"])
            return false
        }
        guard connections[peer.uid, default: 0] < limits.connectionsPerUser else {
            metrics.refusedConnection("limit-of-user")
            logger.log(
                .connectionRefused, "too many connections from one user",
                [.uid: "\(peer.uid)", .reason: "limit-of-user", .limit: "\(limits.connectionsPerUser)"])
            return false
        }
        return true
    }

    func connectionOpened(peer: AgentPeer) {
        connections[peer.uid, default: 0] += 1
        connectionCount += 1
    }

    func connectionClosed(peer: AgentPeer, reason: VarlinkCloseReason) {
        connectionCount -= 1
        let left = connections[peer.uid, default: 1] - 1
        connections[peer.uid] = left > 0 ? left : nil
        switch reason {
        case .endOfStream, .peerGone, .shutdown: break
        default:
            logger.log(
                .connectionClosed, "a connection was closed",
                [.uid: "\(peer.uid)", .connection: "\(peer.connection)", .reason: "\(reason)"])
        }
    }

    // MARK: Calls

    func user(of peer: AgentPeer) -> UInt64 { UInt64(peer.uid) }

    func handle(_ call: VarlinkCall, peer: AgentPeer, reply: VarlinkReplier) { handle(call, read: nil, peer: peer, reply: reply) }

    /// Long calls are read off the loop, except those that the gate will refuse: without a grant nothing is read.
    func reader(for peer: AgentPeer) -> @Sendable (VarlinkCall) -> Result<AgentCall?, InvalidParameter>? {
        let policy = gate.rules.policy, identity = peer.identity
        return { call in
            guard let subject = try? CallSubject(method: call.method.memberName, parameters: call.parameters),
                !policy.mayAsk(subject.operation, key: subject.key, otherKey: subject.otherKey, peer: identity)
            else { return AgentService.read(call) }
            return nil
        }
    }

    private static func read(_ call: VarlinkCall) -> Result<AgentCall?, InvalidParameter> {
        do throws(InvalidParameter) {
            return .success(try AgentCall(method: call.method.memberName, parameters: call.parameters))
        } catch {
            return .failure(error)
        }
    }

    /// - Parameter read: The call as read off the loop; `nil` if it was not.
    func handle(_ call: VarlinkCall, read: Result<AgentCall?, InvalidParameter>?, peer: AgentPeer, reply: VarlinkReplier) {
        let caller = Caller(peer: peer, correlation: peer.calls.next(), rules: gate.rules)
        let method = call.method.memberName
        do throws(InvalidParameter) {
            if let subject = try CallSubject(method: method, parameters: call.parameters) {
                guard gate.mayAsk(subject, of: caller, reply: reply) else { return }
            }
            let agentCall: AgentCall?
            if let read { agentCall = try read.get() } else { agentCall = try AgentCall(method: method, parameters: call.parameters) }
            guard let agentCall else { return reply.fail(.methodNotImplemented(call.method.description)) }
            dispatch(consume agentCall, of: caller, wantsMore: call.wantsMore, reply: reply)
        } catch {
            logger.log(
                .requestInvalid, "invalid parameter", [.correlation: caller.correlation, .uid: "\(peer.uid)", .error: "\(error)"])
            reply.fail(error.answer, caller.correlation)
        }
    }

    private func dispatch(_ call: consuming AgentCall, of caller: Caller, wantsMore: Bool, reply: VarlinkReplier) {
        switch consume call {
        case .sign(let call): sign(call, of: caller, reply: reply)
        case .signCertificateRequest(let request): sign(request, of: caller, reply: reply)
        case .signHandshake(let message, let key, let content, let scheme):
            sign(message, key: key, content: content, scheme: scheme, of: caller, reply: reply)
        case .getStatus: reply.succeed { json in status(for: caller).writeMembers(to: &json) }
        case .listKeys: listKeys(of: caller, wantsMore: wantsMore, reply: reply)
        case .describeKey(let name):
            guard caller.mayList(name) else { return gate.refuseDescription(of: name, to: caller, reply: reply) }
            guard let key = keys.keyring.key(named: name) else { return reply.fail(keys.absence(of: name), caller.correlation) }
            reply.succeed { json in
                json.name("key")
                caller.description(of: key).write(to: &json)
            }
        case .createKey(let creation): create(creation, .createKey, of: caller, reply: reply)
        case .adoptKey(let creation): create(creation, .adoptKey, of: caller, reply: reply)
        case .retireKey(let name):
            guard let admitted = admit(.retireKey, ofKeyNamed: name, for: caller, reply: reply) else { return }
            keys.retire(admitted, reply: reply)
        case .deleteKey(let name):
            guard let admitted = admit(.deleteKey, ofKeyNamed: name, for: caller, reply: reply) else { return }
            keys.delete(admitted, reply: reply)
        case .readAudit(let last):
            guard wantsMore || last <= CallLimits.auditRecords else {
                return reply.fail(
                    AgentError.invalidRequest(parameter: "last", message: "must be from 0 to \(CallLimits.auditRecords) without \"more\""),
                    caller.correlation)
            }
            let question = PolicyQuestion(peer: caller.peer.identity, operation: .readAudit)
            guard let admitted = gate.admit(question, of: caller, reply: reply) else { return }
            // A reader may follow the trail for days: ask again, since a reload may remove its grant.
            trail.read(admitted, last: last, follow: wantsMore, reply: reply) { [gate] in gate.stillAdmits(admitted) }
        case .readMetrics:
            guard gate.admit(PolicyQuestion(peer: caller.peer.identity, operation: .readMetrics), of: caller, reply: reply) != nil else {
                return
            }
            readMetrics(reply: reply)
        case .explainDecision(let question): explain(question, of: caller, reply: reply)
        case .listGrants: listGrants(of: caller, wantsMore: wantsMore, reply: reply)
        }
    }

    private func create(_ creation: KeyCreation, _ operation: Operation, of caller: Caller, reply: VarlinkReplier) {
        let question = PolicyQuestion(
            peer: caller.peer.identity, operation: operation, keys: [creation.name],
            binding: creation.directory.map { CABinding(origin: $0.origin) })
        guard let admitted = gate.admit(question, of: caller, reply: reply) else { return }
        keys.create(creation, admitted, reply: reply)
    }

    /// Whether a key that may exist may be changed. The question names the CA to which the key is bound.
    private func admit(_ operation: Operation, ofKeyNamed name: KeyName, for caller: Caller, reply: VarlinkReplier) -> Admitted? {
        let question = PolicyQuestion(
            peer: caller.peer.identity, operation: operation, keys: [name],
            binding: keys.keyring.key(named: name)?.directory.map { CABinding(origin: $0.origin) })
        return gate.admit(question, of: caller, reply: reply)
    }

    private func listKeys(of caller: Caller, wantsMore: Bool, reply: VarlinkReplier) {
        KeyListing(names: keys.keyring.sortedNames, inParts: wantsMore, reply: reply) { [keys] name in
            caller.mayList(name) ? keys.keyring.key(named: name).map { caller.description(of: $0) } : nil
        }.proceed()
    }

    private func status(for caller: Caller) -> AgentStatus {
        let grants = caller.rules.policy.grants(for: caller.peer.identity)
        // Without a grant a caller learns who the agent takes them for, and nothing about tokens, credentials and
        // trail.
        guard !grants.isEmpty else {
            return AgentStatus(
                version: AgentVersion.current, user: caller.peer.uid, groups: caller.peer.identity.gids, tokens: [], grants: [],
                externalAccounts: [], auditSequence: 0, auditState: "", configuration: configuration.status(for: caller),
                problems: configuration.problems(for: caller), correlation: caller.correlation)
        }
        return AgentStatus(
            version: AgentVersion.current, user: caller.peer.uid, groups: caller.peer.identity.gids,
            tokens: tokens.names.compactMap { name in tokens[name].map { TokenStatus(name: name, $0) } },
            grants: grants.map { GrantStatus($0, rates: gate.rates.status(of: $0)) },
            externalAccounts: caller.rules.policy.externalAccounts(for: caller.peer.identity)
                .filter { caller.rules.externalAccounts[$0] != nil },
            serverKeyExchangeKeys: serverKeyExchangeKeys(for: caller),
            auditSequence: audit.head.sequence, auditState: audit.condition.map(\.description) ?? "writable",
            configuration: configuration.status(for: caller), problems: configuration.problems(for: caller) + keys.problems(for: caller),
            correlation: caller.correlation)
    }

    /// Keys that a status names, and names that are looked at to find them: an answer takes the loop a short time.
    private static let keysInStatus = 64
    private static let namesInStatus = 1_024

    /// The keys with which grants allow TLS 1.2: an administrator should know of each. Among more than 1,024 keys that
    /// the grants cover, some may be missed.
    private func serverKeyExchangeKeys(for caller: Caller) -> [String] {
        let message = HandshakeMessage.serverKeyExchange, keyring = keys.keyring
        let patterns = caller.rules.policy.keys(for: message, of: caller.knowsAllGrants ? nil : caller.peer.identity)
        var found: Set<KeyName> = []
        for name in AgentService.names(of: patterns, limit: AgentService.namesInStatus, withPrefix: keyring.names(withPrefix:limit:)) {
            guard found.count < AgentService.keysInStatus else { break }
            if let key = keyring.key(named: name), key.usage == .certificate, key.state == .active, message.isFor(key.algorithm) {
                found.insert(name)
            }
        }
        return found.map(\.rawValue).sorted()
    }

    /// Names that patterns cover, at most `limit`. Those that a pattern names in full come first, since a prefix may
    /// cover more names than that.
    static func names(of patterns: [KeyPattern], limit: Int, withPrefix: (_ prefix: String, _ limit: Int) -> [KeyName]) -> [KeyName] {
        var names: [KeyName] = []
        // Several grants may have the same pattern.
        let patterns = Set(patterns)
        for case .name(let name) in patterns where names.count < limit { names.append(name) }
        for case .prefix(let prefix) in patterns where names.count < limit { names += withPrefix(prefix, limit - names.count) }
        return names
    }
}
