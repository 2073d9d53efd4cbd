import ACME
import AgentInterface
import AuditTrail
import Keyring
import Logging
import NIOCore
import SigningPolicy
import TokenProtocol
import TokenSupervisor
import Varlink

/// The agent's interface, answered: each call is read into a closed type, decided over by policy, and handed to the part that does it.
///
/// Confined to one event loop.
final class AgentService: VarlinkService {
    typealias Peer = AgentPeer

    let info: VarlinkServiceInfo
    let interfaces: [VarlinkInterface]

    let eventLoop: any EventLoop
    let policy: Policy
    let externalAccounts: [String: LoadedExternalAccount]
    let audit: AuditLog
    let tokens: [String: TokenSupervisor]
    /// Names in the order of the configuration; the first is where keys are made by default.
    let tokenNames: [String]
    let pipeline: SigningPipeline
    let keys: KeyAdministration
    let trail: AuditReading
    let refusals: RefusalLog
    let logger: Logger
    private let connectionsPerUser: Int
    private var connections: [UInt32: Int] = [:]

    init(
        eventLoop: any EventLoop, policy: Policy, externalAccounts: [String: LoadedExternalAccount], audit: AuditLog,
        tokens: [String: TokenSupervisor], tokenNames: [String], pipeline: SigningPipeline, keys: KeyAdministration, trail: AuditReading,
        refusals: RefusalLog,
        connectionsPerUser: Int, logger: Logger
    ) throws {
        info = VarlinkServiceInfo(
            vendor: "acme-agent", product: "acme-agentd", version: AgentVersion.current, url: "")
        interfaces = [try VarlinkInterface(parsing: AgentInterfaceText.text)]
        self.eventLoop = eventLoop
        self.policy = policy
        self.externalAccounts = externalAccounts
        self.audit = audit
        self.tokens = tokens
        self.tokenNames = tokenNames
        self.pipeline = pipeline
        self.keys = keys
        self.trail = trail
        self.refusals = refusals
        self.connectionsPerUser = connectionsPerUser
        self.logger = logger
    }

    // MARK: Connections

    /// Whether one more connection of this user is let in: one user's flood must not keep the others out.
    func mayConnect(_ peer: AgentPeer) -> Bool {
        guard peer.uid != SigningPolicy.Peer.unmapped else {
            logger.warning("a connection of an unmapped user was refused", metadata: ["uid": "\(peer.uid)"])
            return false
        }
        guard connections[peer.uid, default: 0] < connectionsPerUser else {
            logger.warning("too many connections of one user", metadata: ["uid": "\(peer.uid)", "limit": "\(connectionsPerUser)"])
            return false
        }
        return true
    }

    func connectionOpened(peer: AgentPeer) { connections[peer.uid, default: 0] += 1 }

    func connectionClosed(peer: AgentPeer, reason: VarlinkCloseReason) {
        let left = connections[peer.uid, default: 1] - 1
        connections[peer.uid] = left > 0 ? left : nil
        switch reason {
        case .endOfStream, .peerGone, .shutdown: break
        default:
            logger.notice(
                "a connection was closed", metadata: ["uid": "\(peer.uid)", "connection": "\(peer.connection)", "reason": "\(reason)"])
        }
    }

    // MARK: Calls

    func handle(_ call: VarlinkCall, peer: AgentPeer, reply: VarlinkReplier) {
        let correlation = "\(peer.connection)-\(peer.calls.next())"
        do {
            guard let agentCall = try AgentCall(method: call.method.memberName, parameters: call.parameters) else {
                return reply.fail(.methodNotImplemented(call.method.description))
            }
            dispatch(consume agentCall, of: peer, correlation: correlation, wantsMore: call.wantsMore, reply: reply)
        } catch {
            logger.debug("invalid parameter", metadata: ["correlation": "\(correlation)", "uid": "\(peer.uid)", "error": "\(error)"])
            reply.fail(AgentError.invalidRequest(parameter: error.parameter, message: error.description))
        }
    }

    private func dispatch(_ call: consuming AgentCall, of peer: AgentPeer, correlation: String, wantsMore: Bool, reply: VarlinkReplier) {
        switch consume call {
        case .sign(let call): sign(call, of: peer, correlation: correlation, reply: reply)
        case .signCertificateRequest(let request): sign(request, of: peer, correlation: correlation, reply: reply)
        case .signHandshake(let key, let content, let scheme):
            signHandshake(key: key, content: content, scheme: scheme, of: peer, correlation: correlation, reply: reply)
        case .getStatus: reply.succeed { json in status(for: peer).writeMembers(to: &json) }
        case .listKeys: listKeys(of: peer, wantsMore: wantsMore, reply: reply)
        case .describeKey(let name):
            guard policy.mayList(key: name, peer: peer.identity), let key = keys.keyring.key(named: name) else {
                return reply.fail(AgentError.keyNotFound(name: name))
            }
            reply.succeed { json in
                json.name("key")
                KeyDescription(key).write(to: &json)
            }
        case .createKey(let creation):
            keys.create(creation, operation: .createKey, of: peer, correlation: correlation, reply: reply, policy: policy)
        case .adoptKey(let creation):
            keys.create(creation, operation: .adoptKey, of: peer, correlation: correlation, reply: reply, policy: policy)
        case .retireKey(let name): keys.retire(name, of: peer, correlation: correlation, reply: reply, policy: policy)
        case .deleteKey(let name): keys.delete(name, of: peer, correlation: correlation, reply: reply, policy: policy)
        case .readAudit(let last):
            let question = PolicyQuestion(peer: peer.identity, operation: .readAudit)
            guard case .allowed = decide(question, of: peer, correlation: correlation, reply: reply) else { return }
            trail.read(last: last, follow: wantsMore, reply: reply)
        }
    }

    private func listKeys(of peer: AgentPeer, wantsMore: Bool, reply: VarlinkReplier) {
        KeyListing(names: keys.keyring.sortedNames, inParts: wantsMore, reply: reply) { [policy, keys] name in
            policy.mayList(key: name, peer: peer.identity) ? keys.keyring.key(named: name) : nil
        }.proceed()
    }

    private func status(for peer: AgentPeer) -> AgentStatus {
        // Who has no grant hears who the agent takes him for, and nothing of tokens, credentials and trail.
        guard !policy.grants(for: peer.identity).isEmpty else {
            return AgentStatus(
                version: AgentVersion.current, user: peer.uid, groups: peer.identity.gids, tokens: [], grants: [], externalAccounts: [],
                auditSequence: 0, auditState: "")
        }
        return statusInFull(for: peer)
    }

    private func statusInFull(for peer: AgentPeer) -> AgentStatus {
        AgentStatus(
            version: AgentVersion.current, user: peer.uid, groups: peer.identity.gids,
            tokens: tokenNames.compactMap { name in tokens[name].map { TokenStatus(name: name, $0) } },
            grants: policy.grants(for: peer.identity).map { GrantStatus($0) },
            externalAccounts: externalAccounts.keys.sorted(), auditSequence: audit.head.sequence,
            auditState: audit.failure.map(\.description) ?? "writable")
    }

    /// Asks policy; a refusal is logged for the administrator, written into the trail, and told to the caller as far as it may know.
    func decide(_ question: PolicyQuestion, of peer: AgentPeer, correlation: String, reply: VarlinkReplier) -> PolicyDecision {
        let decision = policy.decide(question)
        if case .refused(let refusal) = decision { refuse(question, refusal, of: peer, correlation: correlation, reply: reply) }
        return decision
    }

    private func refuse(_ question: PolicyQuestion, _ refusal: Refusal, of peer: AgentPeer, correlation: String, reply: VarlinkReplier) {
        refusals.publish(RefusalReport(question: question, refusal: refusal, peer: peer, correlation: correlation))
        reply.fail(AgentError(refusal, question: question, policy: policy))
    }
}
