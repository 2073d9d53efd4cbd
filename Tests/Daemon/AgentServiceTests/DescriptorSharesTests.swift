import Testing

@testable import AgentService

/// What is left for connections after the daemon's own descriptors.
@Suite struct DescriptorSharesTests {
    @Test func whatFitsStays() {
        let room = DescriptorShares.room(limit: 524_288, pools: [3])
        let shares = DescriptorShares(connections: 16_384, perUser: 4_096, room: room)
        #expect(shares.connections == 16_384 && shares.connectionsPerUser == 4_096)
        #expect(DescriptorShares.warning(connections: 16_384, perUser: 4_096, limit: 524_288, pools: [3]) == nil)
    }

    @Test("what does not fit is lowered in proportion, with a warning")
    func lowered() throws {
        let room = DescriptorShares.room(limit: 1_024, pools: [3, 15])
        #expect(room == 1_024 - DescriptorShares.reserve - (4 + 16) * DescriptorShares.perLink)
        let shares = DescriptorShares(connections: 16_384, perUser: 4_096, room: room)
        #expect(shares.connections == room && shares.connectionsPerUser == room / 4)
        let warning = DescriptorShares.warning(connections: 16_384, perUser: 4_096, limit: 1_024, pools: [3, 15])
        #expect(try #require(warning).contains("LimitNOFILE"))
    }

    @Test func aLimitBelowTheDaemonsOwnNeedsLeavesAFew() {
        let shares = DescriptorShares(connections: 100, perUser: 100, room: DescriptorShares.room(limit: 20, pools: [3]))
        #expect(shares.connections == DescriptorShares.fewest && shares.connectionsPerUser == DescriptorShares.fewest)
    }
}
