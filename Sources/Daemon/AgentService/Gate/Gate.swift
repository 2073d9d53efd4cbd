import ACME
import AgentInterface
import SigningPolicy
import Varlink

/// The one place where a request is admitted or refused. Code that acts on a request takes the `Admitted` that only the
/// gate makes, so nothing happens that was not decided here.
///
/// Confined to one event loop.
final class Gate {
    /// The rules for calls from now on; a call in progress keeps those under which it arrived.
    var rules: Rules
    let refusals: RefusalLog
    let rates: RateKeeper

    init(rules: Rules, refusals: RefusalLog, rates: RateKeeper) {
        self.rules = rules
        self.rates = rates
        self.refusals = refusals
    }

    /// Checks peer, operation and keys before the rest of a call is read.
    /// - Returns: Whether some grant has all three; `admit` decides the rest once it is read. If `false`, the request
    ///   was refused and the call is answered.
    func mayAsk(_ subject: CallSubject, of caller: Caller, reply: VarlinkReplier) -> Bool {
        let policy = caller.rules.policy, peer = caller.peer.identity
        if policy.mayAsk(subject.operation, key: subject.key, otherKey: subject.otherKey, peer: peer) { return true }
        let question = PolicyQuestion(
            peer: peer, operation: subject.operation, keys: [subject.key] + (subject.otherKey.map { [$0] } ?? []), url: subject.url)
        guard case .refused(let refusal) = policy.decide(question) else { return true }
        refuse(question, refusal, of: caller, unread: subject, reply: reply)
        return false
    }

    /// Asks the policy under which the call came. A refusal is logged for the administrator, recorded in the trail, and
    /// reported to the caller as far as the caller may know.
    /// - Returns: `nil` if the request was refused; the call is then answered.
    func admit(_ question: PolicyQuestion, of caller: Caller, reply: VarlinkReplier) -> Admitted? {
        let policy = caller.rules.policy
        switch withinRates(policy.decide(question), about: question, under: policy, counts: true) {
        case .allowed(let grant): return Admitted(question: question, grant: grant, caller: caller)
        case .refused(let refusal):
            refuse(question, refusal, of: caller, reply: reply)
            return nil
        }
    }

    /// What policy has decided, and the grants' rates: a request that they do not allow for now is refused.
    /// - Parameter counts: Whether the request is made, so that it counts; `false` only looks.
    func withinRates(
        _ decision: PolicyDecision, about question: PolicyQuestion, under policy: Policy, counts: Bool
    ) -> PolicyDecision {
        guard case .allowed(let grant) = decision,
            let refusal = rates.refusal(of: question.operation, by: grant, in: policy, counts: counts)
        else { return decision }
        return otherGrant(question, than: grant, policy, counts: counts).map { .allowed(grant: $0) } ?? .refused(refusal)
    }

    /// Answers a caller who may not know of a key. If a grant gives the key, but not `list-keys`, that is logged and
    /// recorded: a server that names its key by URI cannot load it. A name that no grant of the caller covers is not:
    /// programs ask for names that may be free.
    func refuseDescription(of key: KeyName, to caller: Caller, reply: VarlinkReplier) {
        let question = PolicyQuestion(peer: caller.peer.identity, operation: .listKeys, keys: [key])
        if case .refused(let refusal) = caller.rules.policy.decide(question), refusal.reason == .operationNotGranted {
            refusals.publish(RefusalReport(question: question, refusal: refusal, caller: caller, unread: nil))
        }
        reply.fail(AgentError.keyNotFound(name: key.rawValue), caller.correlation)
    }

    /// A further grant that covers a request and whose rate is not used up: one user's use of a shared grant must not take
    /// from another what a grant of its own gives.
    private func otherGrant(_ question: PolicyQuestion, than grant: String, _ policy: Policy, counts: Bool) -> String? {
        var exhausted = [grant]
        while case .allowed(let other) = policy.decide(question, passedOver: exhausted) {
            if rates.refusal(of: question.operation, by: other, in: policy, counts: counts) == nil { return other }
            exhausted.append(other)
        }
        return nil
    }

    /// Whether the current rules still admit a request that was admitted before: for calls that run long.
    func stillAdmits(_ admitted: Admitted) -> Bool {
        if rules === admitted.caller.rules { return true }
        if case .allowed = rules.policy.decide(admitted.question) { return true }
        return false
    }

    private func refuse(
        _ question: PolicyQuestion, _ refusal: Refusal, of caller: Caller, unread: CallSubject? = nil, reply: VarlinkReplier
    ) {
        refusals.publish(RefusalReport(question: question, refusal: refusal, caller: caller, unread: unread))
        reply.fail(AgentError(refusal, question: question, policy: caller.rules.policy), caller.correlation)
    }
}

/// A request that policy has allowed: what was asked, the grant that covers it, who asks. Only the gate makes it.
struct Admitted {
    let question: PolicyQuestion
    /// The grant's name.
    let grant: String
    let caller: Caller

    fileprivate init(question: PolicyQuestion, grant: String, caller: Caller) {
        self.question = question
        self.grant = grant
        self.caller = caller
    }

    /// The name of the key that the request is about; of two, the one that signs for the account.
    var key: KeyName? { question.keys.first }
}
