import ACME
import KeyNameLiterals
import Testing

@testable import SigningPolicy

/// Decisions explained: the same decisions, with the grant that came closest and what would change them.
@Suite struct ExplanationTests {
    /// A generator that gives the same numbers each time (SplitMix64).
    private struct Numbers: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    /// That a grant's pattern covers a key's name does not mean that its user may know the key.
    @Test func aKeyIsToldOfAsTheRequestWouldTell() throws {
        let grant = Grant(name: "all", peers: [.user(1)], keys: [try KeyPattern("*")], operations: [.signHandshake])
        let policy = try Policy(grants: [grant]), peer = Peer(uid: 1, gids: []), key: KeyName = "account-1"
        #expect(!policy.mayLearn(ofKeys: [key], asking: .newOrder, peer: peer))
        #expect(policy.mayLearn(ofKeys: [key], asking: .signHandshake, peer: peer))
        #expect(!policy.mayLearn(ofKeys: [key], asking: .signHandshake, peer: Peer(uid: 2, gids: [])))
    }

    private static let keys = ["account", "web-1", "web-2", "mail"]
    private static let keyPatterns = ["account", "web-*", "web-1", "mail", "*"]
    private static let names = ["a.test", "www.a.test", "b.test", "*.a.test", "192.0.2.7"]
    private static let namePatterns = ["a.test", "*.a.test", "b.test", "192.0.2.0/24", "*"]
    private static let cas = ["https://one.test", "https://two.test"]

    private static func some<Element>(_ elements: [Element], _ numbers: inout Numbers) -> [Element] {
        elements.filter { _ in Bool.random(using: &numbers) }
    }

    private static func randomPolicy(_ numbers: inout Numbers) throws -> Policy {
        try Policy(
            grants: (0..<Int.random(in: 0...5, using: &numbers)).map { index in
                var operations = Set(some(Operation.allCases, &numbers))
                for operation in operations { operations.formUnion(operation.grantedOnlyWith) }
                return Grant(
                    name: "g\(index)", peers: some([.user(1), .user(2), .group(10), .group(20)], &numbers),
                    keys: try some(keyPatterns, &numbers).map { try KeyPattern($0) }, operations: operations,
                    identifiers: try some(namePatterns, &numbers).map { try IdentifierPattern($0) },
                    wildcards: Bool.random(using: &numbers), cas: try some(cas, &numbers).map { try CAPattern($0) },
                    externalAccounts: some(["zero"], &numbers))
            })
    }

    private static func randomQuestion(_ numbers: inout Numbers) throws -> PolicyQuestion {
        let operation = Operation.allCases.randomElement(using: &numbers) ?? .newOrder
        let url = try cas.randomElement(using: &numbers).map { try ACMEURL($0 + "/x") }
        let bound = try cas.randomElement(using: &numbers).map { CABinding(origin: try Origin($0)) }
        return PolicyQuestion(
            peer: Peer(
                uid: [1, 2, 3, Peer.unmapped].randomElement(using: &numbers) ?? 1, gids: some([10, 20], &numbers)),
            operation: operation,
            keys: operation.isAboutKeys ? [try KeyName(keys.randomElement(using: &numbers) ?? "mail")] : [],
            binding: operation.isForCA ? bound : nil, url: operation.isForCA ? url : nil,
            identifiers: operation.needsIdentifiers ? try some(names, &numbers).map { try Identifier(argument: $0) } : [],
            externalAccount: operation == .newAccount ? some(["zero"], &numbers).first : nil)
    }

    /// The grant with one more line, as an administrator would write it.
    private static func changed(_ grant: Grant, _ change: GrantChange) throws -> Grant {
        var grant = grant
        switch change.setting {
        case .users: grant.peers += change.add.compactMap { UInt32($0) }.map { .user($0) }
        case .keys: grant.keys += try change.add.map { try KeyPattern($0) }
        case .operations: grant.operations.formUnion(try OperationBundle.operations(named: change.add))
        case .cas: grant.cas += try change.add.map { try CAPattern($0) }
        case .externalAccounts: grant.externalAccounts += change.add
        case .identifiers: grant.identifiers += try change.add.map { try IdentifierPattern($0) }
        case .wildcards: grant.wildcards = true
        }
        return grant
    }

    /// Thousands of policies and questions: an explanation is the decision, and each change that it names closes its gap
    /// and opens no other.
    @Test func anExplanationIsTheDecisionAndItsChangesCloseTheGaps() throws {
        var numbers = Numbers(state: 20_261_129), refused = 0, mended = 0
        for round in 0..<4_000 {
            let policy = try Self.randomPolicy(&numbers), question = try Self.randomQuestion(&numbers)
            let decision = policy.decide(question)
            for listener in [PolicyExplanation.Listener.peer, .administrator] {
                let explanation = policy.explain(question, to: listener)
                #expect(explanation.decision == decision, "round \(round)")
                guard let nearest = explanation.nearest else { continue }
                refused += 1
                #expect(decision.refusal != nil && !nearest.lacks.isEmpty, "round \(round)")
                var grant = try #require(policy.grants.first { $0.name == nearest.name })
                if listener == .peer { #expect(grant.covers(question.peer), "round \(round)") }
                var left = grant.lacks(question)
                #expect(left == nearest.lacks.map(\.gap), "round \(round)")
                while let gap = left.first {
                    let change = grant.change(closing: gap, for: question)
                    grant = try Self.changed(grant, change)
                    let next = grant.lacks(question)
                    // Of several keys, the next one may be missing.
                    #expect(next.count < left.count || next.first != gap, "round \(round): \(gap) stays")
                    #expect(next.count <= left.count, "round \(round): \(change) opens a gap")
                    left = next
                }
                // The grant covers the request now, so nothing but the request itself can be wrong.
                let after = try Policy(grants: policy.grants.map { $0.name == grant.name ? grant : $0 }).decide(question)
                if after.refusal == nil { mended += 1 }
                #expect(
                    [nil, .noIdentifiers, .urlNotOfCA, .unmappedUser].contains(after.refusal?.reason), "round \(round): \(after)")
            }
        }
        // The generator makes both kinds.
        #expect(refused > 1_000 && mended > 500, "\(refused) refused, \(mended) mended")
    }

    /// What a peer is told is the same, whatever is granted to others.
    @Test func aPeerLearnsNothingOfOthersGrants() throws {
        var numbers = Numbers(state: 7), told = 0
        for round in 0..<2_000 {
            let policy = try Self.randomPolicy(&numbers)
            var question = try Self.randomQuestion(&numbers)
            // Only an external account or a CA of one's own grants matters; the binding is one that the peer may know.
            question.binding = question.url.map { CABinding(origin: $0.origin) }
            let own = try Policy(grants: policy.grants(for: question.peer))
            let all = policy.explain(question, to: .peer), alone = own.explain(question, to: .peer)
            #expect(all.nearest == alone.nearest, "round \(round)")
            #expect(all.decision.refusal?.forCaller == alone.decision.refusal?.forCaller, "round \(round)")
            #expect(all.decision.refusal?.reason == alone.decision.refusal?.reason, "round \(round)")
            if all.nearest != nil { told += 1 }
        }
        #expect(told > 300)
    }

    @Test func theOperationWithTheSamePayloadIsAddedToo() throws {
        let grant = try webGrant(operations: ["issue"])
        let explanation = try Policy(grants: [grant]).explain(question(.deactivateAuthorization, identifiers: []), to: .peer)
        #expect(
            explanation.nearest?.lacks.map(\.change)
                == [GrantChange(.operations, add: ["deactivate-authorization", "deactivate-account"])])
    }

    /// The administrator is told of another's grant that lacks only the user; the user is not.
    @Test func onlyAnAdministratorLearnsWhomAGrantLacks() throws {
        let policy = try Policy(grants: [webGrant()])
        let asked = try question(peer: mail, identifiers: [dns("a.www.example.org")])
        #expect(policy.explain(asked, to: .peer).nearest == nil)
        #expect(
            policy.explain(asked, to: .administrator).nearest
                == PolicyExplanation.NearestGrant(
                    name: "web", lacks: [PolicyExplanation.Lack(gap: .peer, change: GrantChange(.users, add: ["2000"]))]))
    }
}
