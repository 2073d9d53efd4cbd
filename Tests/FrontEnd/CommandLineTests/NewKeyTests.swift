import ACME
import AgentInterface
import Testing

@testable import acme_agent

/// Whether the agent makes a key, as far as its status says so before anything is ordered.
@Suite struct NewKeyTests {
    private func grant(_ keys: [String], _ operations: [String], _ rates: [RateStatus] = []) -> GrantStatus {
        GrantStatus(name: "web", keys: keys, operations: operations, identifiers: [], wildcards: false, cas: [], rates: rates)
    }

    private func rate(_ what: String, left: Int) -> RateStatus {
        RateStatus(RateLimit(what: what, count: 2, seconds: 86_400, burst: 2), left: left)
    }

    @Test func aGrantMustCoverTheNameAndTheOperation() {
        let name: KeyName = "web-2"
        #expect(grant(["web*"], ["create-key"]).allowsNewKey(named: name))
        #expect(!grant(["web"], ["create-key"]).allowsNewKey(named: name))
        #expect(!grant(["*"], ["list-keys"]).allowsNewKey(named: name))
    }

    /// The order would be in vain: the CA counts it, and no key can be made for it.
    @Test func aRateOfNewKeysThatIsUsedUpAllowsNone() {
        let name: KeyName = "web-2"
        #expect(!grant(["*"], ["create-key"], [rate("keys", left: 0)]).allowsNewKey(named: name))
        #expect(grant(["*"], ["create-key"], [rate("keys", left: 1), rate("orders", left: 0)]).allowsNewKey(named: name))
    }
}
