import Testing

@testable import Issuance

@Suite struct RenewalRuleTests {
    @Test(
        arguments: [
            (90 * 86_400, 60 * 86_400), (10 * 86_400, 864_000 - 288_000), (6 * 86_400, 3 * 86_400), (1, 0),
        ] as [(Int64, Int64)])
    func due(lifetime: Int64, after: Int64) {
        let rule = RenewalRule(notBefore: 1000, notAfter: 1000 + lifetime)
        #expect(rule.due == 1000 + after)
        #expect(rule.isDue(1000 + after) && !rule.isDue(999 + after))
    }

    @Test func nonsenseIsDueAndDoesNotTrap() {
        #expect(RenewalRule(notBefore: 10, notAfter: 5).isDue(10))
        #expect(RenewalRule(notBefore: .min, notAfter: .max).isDue(0))
        _ = RenewalRule(notBefore: .max - 5, notAfter: .max).due
    }
}
