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
            knowsAll ? loaded.allGrants : loaded.grants(of: peer)
        } then: { grants in
            guard wantsMore || grants.count <= GrantPart.mostInOneReply else { return reply.fail(.expectedMore) }
            let file = knowsAll ? loaded.configuration.file : nil
            GrantPart(grants, isComplete: knowsAll, file: file, inParts: wantsMore, reply: reply).proceed()
        }
    }
}

/// The reply of `ListGrants`, or its parts, as fast as the client reads them: each is written when its turn has come.
private final class GrantPart {
    /// Grants in one part, and in a single reply: an entry of usual length has less than 1 KiB.
    private static let part = 64
    static let mostInOneReply = 256
    /// Grants written in one go.
    private static let inTurn = 8

    private let grants: [AssignedGrant]
    private let isComplete: Bool
    private let file: String?
    private let inParts: Bool
    private let reply: VarlinkReplier
    private var next = 0
    private var json = JSONWriter()
    private var written = 0

    init(_ grants: [AssignedGrant], isComplete: Bool, file: String?, inParts: Bool, reply: VarlinkReplier) {
        self.grants = grants
        self.isComplete = isComplete
        self.file = file
        self.inParts = inParts
        self.reply = reply
        begin()
    }

    func proceed() {
        // Parts are a multiple of what is written in one go.
        for grant in grants[next..<min(next + Self.inTurn, grants.count)] {
            grant.write(to: &json)
            next += 1
            written += 1
        }
        guard next < grants.count else { return reply.succeed(parameters: finished()) }
        if inParts, written == Self.part {
            guard reply.next(parameters: finished()) else { return }
            begin()
        }
        // Even if the client keeps up: input that has arrived on the sockets goes first.
        reply.onWritable { [self] in proceed() }
    }

    /// The members of `GrantListing`.
    private func begin() {
        written = 0
        json.removeAll()
        json.beginObject()
        json.member("complete", isComplete)
        json.member("file", ifPresent: file)
        json.name("grants")
        json.beginArray()
    }

    private func finished() -> [UInt8] {
        json.endArray()
        json.endObject()
        return json.bytes
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
