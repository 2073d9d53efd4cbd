/// Makes policies.
extension Generator {
    mutating func policy() -> Policy {
        var grants = [Universe.controlGrant]
        let count = 3 + below(6)
        for number in 0..<count { grants.append(grant("g\(number)")) }
        return Policy(grants: grants)
    }

    private mutating func grant(_ name: String) -> Grant {
        var grant = Grant(name: name)
        grant.users = some(Universe.peers.map(\.user), below(3)).uniqued()
        if chance(40) { grant.groups = some(Universe.groups, 1 + below(2)).uniqued() }
        if grant.users.isEmpty, grant.groups.isEmpty { grant.users = [pick(Universe.peers).user] }
        if chance(5) { grant.missingUsers = ["no-such-user-verifier"] }
        grant.keys = some(Universe.keyPatterns, 1 + below(5)).uniqued()
        if chance(20) { grant.keys = ["*"] }
        grant.operations = some(Universe.operations, 1 + below(8)).uniqued()
        if chance(20) { grant.operations = Universe.operations.uniqued() }
        // Both sign the same payload, and are granted together.
        if grant.names(.deactivateAuthorization), !grant.names(.deactivateAccount) {
            grant.operations.append(Operation.deactivateAccount.rawValue)
        }
        grant.identifiers = some(Universe.patterns, below(5)).uniqued()
        grant.wildcards = chance(40)
        grant.cas = some(Universe.cas, 1 + below(4)).uniqued()
        grant.externalAccounts = some(["first", "second"], below(3)).uniqued()
        if chance(10) { grant.zeroRates = [pick(Universe.rates)] }
        return grant
    }
}

extension Array where Element: Equatable {
    /// Each element once, in the order of its first place.
    func uniqued() -> [Element] { reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
}
