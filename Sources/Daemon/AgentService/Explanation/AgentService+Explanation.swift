import ACME
import AgentInterface
import Keyring
import SigningPolicy
import StrictJSON
import Varlink

extension AgentService {
    /// Answers `ExplainDecision`: what the gate would decide, without a request.
    ///
    /// About the caller's own grants it needs none, as `GetStatus` does, and like that it is not recorded. Who asks about
    /// somebody else must be allowed to know all grants; whoever is not is refused, and recorded, like one who asks for
    /// the trail.
    ///
    /// Off the loop, users in turn: a question may be compared with every pattern of every grant.
    func explain(_ asked: DecisionQuestion, of caller: Caller, reply: VarlinkReplier) {
        let listener: PolicyExplanation.Listener = caller.knowsAllGrants ? .administrator : .peer
        if asked.subject != nil, listener == .peer {
            // Refused, and recorded: a caller with read-audit would know all grants.
            _ = gate.admit(PolicyQuestion(peer: caller.peer.identity, operation: .readAudit), of: caller, reply: reply)
            return
        }
        let question = question(asked, of: caller, to: listener), loaded = configuration.current
        long.run(for: UInt64(caller.peer.uid), on: eventLoop) {
            loaded.explain(question, to: listener)
        } then: { [gate] explanation in
            var explanation = explanation
            explanation.decision = gate.withinRates(explanation.decision, about: question, under: loaded.rules.policy, counts: false)
            reply.succeed { json in loaded.report(explanation, of: question, to: listener).writeMembers(to: &json) }
        }
    }

    /// The question that the gate would be asked for this request.
    private func question(_ asked: DecisionQuestion, of caller: Caller, to listener: PolicyExplanation.Listener) -> PolicyQuestion {
        let peer = asked.subject.map { SigningPolicy.Peer(uid: $0.user, gids: $0.groups) } ?? caller.peer.identity
        let policy = caller.rules.policy
        return PolicyQuestion(asked, peer: peer) { name in
            // To which CA a key is bound is not for a caller whom neither the request nor a listing would tell: the key
            // counts as one that does not exist.
            guard listener == .administrator || policy.mayLearn(ofKeys: asked.keys, asking: asked.operation, peer: peer) else {
                return nil
            }
            return keys.keyring.key(named: name)
        }
    }

    // MARK: Who may do what

    /// Answers `ListGrants`.
    func listGrants(of caller: Caller, wantsMore: Bool, reply: VarlinkReplier) {
        let loaded = configuration.current, knowsAll = caller.knowsAllGrants, peer = caller.peer.identity
        long.run(for: UInt64(caller.peer.uid), on: eventLoop) {
            GrantPart.parts(knowsAll ? loaded.allGrants : loaded.grants(of: peer), of: loaded, isComplete: knowsAll, inParts: wantsMore)
        } then: { parts in
            guard let parts else { return reply.fail(.expectedMore) }
            GrantPart(parts, reply: reply).proceed()
        }
    }
}

/// The reply of `ListGrants` in parts, as fast as the client reads them.
private final class GrantPart {
    /// Grants in one part, and in a single reply: an entry of usual length has less than 1 KiB.
    private static let part = 64
    private static let mostInOneReply = 256

    private var parts: ArraySlice<[UInt8]>
    private let reply: VarlinkReplier

    init(_ parts: [[UInt8]], reply: VarlinkReplier) {
        self.parts = parts[...]
        self.reply = reply
    }

    /// Written off the loop. `nil` if there are too many for a single reply.
    static func parts(_ grants: [AssignedGrant], of loaded: LoadedConfiguration, isComplete: Bool, inParts: Bool) -> [[UInt8]]? {
        guard inParts || grants.count <= mostInOneReply else { return nil }
        let file = isComplete ? loaded.configuration.file : nil, size = inParts ? part : max(1, grants.count)
        return stride(from: 0, to: max(1, grants.count), by: size).map { start in
            var json = JSONWriter()
            json.beginObject()
            GrantListing(isComplete: isComplete, file: file, grants: Array(grants.dropFirst(start).prefix(size))).writeMembers(to: &json)
            json.endObject()
            return json.bytes
        }
    }

    func proceed() {
        guard let part = parts.popFirst() else { return }
        guard !parts.isEmpty else { return reply.succeed(parameters: part) }
        guard reply.next(parameters: part) else { return }
        reply.onWritable { [self] in proceed() }
    }
}

extension PolicyQuestion {
    /// - Parameter key: The key of that name, or `nil` if there is none, or none that may be known of.
    init(_ asked: DecisionQuestion, peer: Peer, key: (KeyName) -> SigningKey?) {
        let signing = asked.keys.first.flatMap(key)
        let binding: CABinding?
        var url: ACMEURL?
        if asked.operation.isForCA, let signed = asked.url {
            url = signed
            binding = AgentService.binding(of: signing, url: signed)
        } else if asked.operation == .retireKey || asked.operation == .deleteKey {
            binding = signing?.directory.map { CABinding(origin: $0.origin) }
        } else {
            binding = asked.url.map { CABinding(origin: $0.origin) }
        }
        self.init(
            peer: peer, operation: asked.operation, keys: asked.keys, binding: binding, url: url, identifiers: asked.identifiers,
            externalAccount: asked.externalAccount)
    }
}
