import Foundation
import Testing
import TokenProtocol
import TokenTestSupport

/// How often the token is searched, each time through all its objects: a third of a second among 10,000 keys of
/// SoftHSM.
@Suite struct HelperSearchTests {
    private let digest = [UInt8](repeating: 3, count: 32)

    private func searches(_ fixture: HelperFixture) -> Int { fixture.calls("C_FindObjectsInit") }

    private func generate(_ helper: HelperProcess, _ number: UInt8) throws -> TokenKeyReference {
        let reply = try helper.ask(.generate(label: "key \(number)", id: [UInt8](repeating: number, count: 16), algorithm: .p256))
        guard case .key(let key) = reply else {
            Issue.record("\(reply)")
            throw HelperProcess.FixtureError()
        }
        return key.reference
    }

    /// A token with this many keys, and a helper that has not seen them yet.
    private func opened(keys count: UInt8, links: Int = 1) throws -> (HelperFixture, HelperProcess, [TokenKeyReference]) {
        let fixture = try HelperFixture()
        let maker = try HelperProcess()
        _ = try maker.open(fixture)
        let keys = try (1...count).map { try generate(maker, $0) }
        _ = maker.end()
        let helper = try HelperProcess(links: links)
        _ = try helper.open(fixture, module: fixture.faultModule())
        return (fixture, helper, keys)
    }

    @Test func aNewKeyIsMadeAndSignsWithoutASearch() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess(links: 2)
        _ = try helper.open(fixture, module: fixture.faultModule())
        let key = try generate(helper, 1)
        for link in 1...2 { _ = try helper.signature(key, .ecdsa, digest, link: link) }
        #expect(searches(fixture) == 0)
        // An id that may be somebody else's is searched for.
        _ = try helper.ask(.generate(label: "short id", id: [1, 2], algorithm: .p256))
        #expect(searches(fixture) == 1)
        #expect(try helper.ask(.destroy(key)) == .done)
        #expect(searches(fixture) == 2)
        #expect(try helper.failure(.sign(key, .ecdsa, digest), link: 1)?.kind == .noKey)
    }

    @Test func aKeyIsFoundByOneSearchAndOnce() throws {
        let (fixture, helper, keys) = try opened(keys: 3)
        for (count, key) in keys.enumerated() {
            for _ in 0..<2 { _ = try helper.signature(key, .ecdsa, digest) }
            #expect(searches(fixture) == count + 1)
        }
    }

    @Test func manyWhoWantOneKeyAtOnceSearchOnce() throws {
        let (fixture, helper, keys) = try opened(keys: 1, links: 4)
        for link in 1...4 { try helper.send([(1, .sign(keys[0], .ecdsa, digest)), (2, .sign(keys[0], .ecdsa, digest))], link: link) }
        for link in 1...4 {
            for _ in 1...2 {
                guard case .signature = try helper.receive(link: link).reply else {
                    Issue.record("no signature")
                    continue
                }
            }
        }
        #expect(searches(fixture) == 1)
    }

    @Test func afterAListingNothingIsSearchedAndEveryObjectWasReadOnce() throws {
        let (fixture, helper, keys) = try opened(keys: 20)
        _ = try helper.ask(.list)
        #expect(searches(fixture) == 2)
        #expect(fixture.calls("C_GetAttributeValue") == 2 * keys.count)
        for key in keys { _ = try helper.signature(key, .ecdsa, digest) }
        // A later key does not make the helper forget the others.
        let later = try generate(helper, 100)
        for key in keys + [later] { _ = try helper.signature(key, .ecdsa, digest) }
        #expect(searches(fixture) == 2)
    }

    @Test func aPreparedHelperListsOnceAndOnceMoreAfterARecovery() throws {
        let (fixture, helper, keys) = try opened(keys: 20)
        func waitForListing(reads count: Int) throws {
            for _ in 0..<1_000 where fixture.calls("C_GetAttributeValue") < count { usleep(10_000) }
            try #require(fixture.calls("C_GetAttributeValue") >= count)
        }
        #expect(try helper.ask(.prepare) == .done)
        try waitForListing(reads: 2 * keys.count)
        // After the last object the listing is no longer abandoned.
        _ = try helper.ask(.status)
        for key in keys { _ = try helper.signature(key, .ecdsa, digest) }
        #expect(searches(fixture) == 2)

        try fixture.fault("sessions-lost")
        _ = try helper.signature(keys[0], .ecdsa, digest)
        #expect(fixture.calls("C_Login") == 2)
        // The listing's searches, and those of a signature that did not wait for it.
        try waitForListing(reads: 4 * keys.count)
        for key in keys { _ = try helper.signature(key, .ecdsa, digest) }
        // Two listings of two searches; a search without login and one with it; and some of the last keys. Without the
        // listing, 20 more.
        #expect(searches(fixture) <= 12)
    }

    @Test func aListingHoldsUpNeitherSignaturesNorRequests() throws {
        let (fixture, helper, keys) = try opened(keys: 3)
        _ = try helper.signature(keys[0], .ecdsa, digest)
        try fixture.fault("search-held")
        #expect(try helper.ask(.prepare) == .done)
        for _ in 0..<1_000 where searches(fixture) < 2 { usleep(10_000) }
        // The listing is inside the module and does not return.
        for _ in 0..<10 { _ = try helper.signature(keys[0], .ecdsa, digest) }
        // A request that arrives meanwhile is answered before the listing continues.
        try helper.send([(9, .status)])
        fixture.endFault("search-held")
        let (id, reply) = try helper.receive()
        #expect(id == 9)
        guard case .ready = reply else {
            Issue.record("\(reply)")
            return
        }
        // Abandoned for the request and started again: one search, then two.
        for _ in 0..<1_000 where searches(fixture) < 4 { usleep(10_000) }
        #expect(searches(fixture) == 4)
    }
}
