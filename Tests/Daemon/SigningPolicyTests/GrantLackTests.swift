import ACME
import Testing

@testable import SigningPolicy

/// Grants that are valid as text and give less than they seem to.
@Suite struct GrantLackTests {
    private func lacks(_ change: (inout Grant) throws -> Void) throws -> [String] {
        var grant = Grant(
            name: "g", peers: [.user(1)], keys: [try KeyPattern("web-*")], operations: OperationBundle.issue.operations,
            identifiers: [try IdentifierPattern("*")], cas: [try CAPattern("https://ca.example")])
        try change(&grant)
        return grant.lacking.map(\.description)
    }

    @Test func aWholeGrantLacksNothing() throws {
        #expect(try lacks { _ in }.isEmpty)
        #expect(try lacks { ($0.operations, $0.keys, $0.cas, $0.identifiers) = ([.readAudit, .readMetrics], [], [], []) }.isEmpty)
        #expect(try lacks { ($0.operations, $0.cas, $0.identifiers) = ([.signHandshake, .createKey, .listKeys], [], []) }.isEmpty)
    }

    @Test func withoutKeysNothingIsAllowed() throws {
        #expect(try lacks { $0.keys = [] } == ["allows nothing: it has no \"keys\""])
        #expect(
            try lacks { ($0.operations, $0.keys) = ([.readAudit, .listKeys], []) } == ["does not allow list-keys: it has no \"keys\""])
    }

    @Test func withoutCAsOrIdentifiersTheOperationsThatNeedThemAreNot() throws {
        let forCA = "does not allow finalize, new-order, post-as-get, respond-to-challenge: it has no \"cas\""
        #expect(try lacks { $0.cas = [] } == [forCA])
        #expect(try lacks { ($0.operations, $0.cas) = ([.newAccount], []) } == ["allows nothing: it has no \"cas\""])
        #expect(try lacks { $0.identifiers = [] } == ["does not allow finalize, new-order: it has no \"identifiers\""])
        #expect(
            try lacks { ($0.operations, $0.identifiers) = ([.signRequest], []) } == ["allows nothing: it has no \"identifiers\""])
        // Each operation is named once, with what blocks it most.
        #expect(try lacks { ($0.cas, $0.identifiers) = ([], []) } == [forCA])
    }
}
