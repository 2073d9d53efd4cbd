import ACME
import Testing

@testable import SigningPolicy

@Suite("Policy decisions")
struct PolicyTests {
    @Test func handshakesOfAKeyAreThePeersOrAnybodys() throws {
        func grant(_ name: String, _ user: UInt32, _ keys: String, _ operations: Set<Operation>) throws -> Grant {
            Grant(name: name, peers: [.user(user)], keys: [try KeyPattern(keys)], operations: operations)
        }
        let policy = try Policy(grants: [
            grant("a", 1, "web-*", [.signHandshake, .listKeys]), grant("b", 2, "web-1", [.signServerKeyExchange]),
            grant("c", 1, "*", [.listKeys]),
        ])
        func peer(_ uid: UInt32) -> Peer { Peer(uid: uid, gids: []) }
        #expect(policy.handshakes(key: "web-1", of: peer(1)) == [.serverCertificateVerify])
        #expect(policy.handshakes(key: "web-1", of: peer(2)) == [.serverKeyExchange])
        #expect(policy.handshakes(key: "web-2", of: peer(2)).isEmpty)
        #expect(policy.handshakes(key: "web-1", of: nil) == [.serverCertificateVerify, .serverKeyExchange])
        #expect(policy.handshakes(key: "mail", of: nil).isEmpty)
        #expect(policy.handshakes(key: "web-1", of: peer(Peer.unmapped)).isEmpty)
    }

    @Test("A grant that covers all of a request allows it, and is named")
    func allowed() throws {
        let policy = try Policy(grants: [webGrant("other", peers: [.user(2_000)]), webGrant()])
        #expect(policy.decide(try question(identifiers: [dns("a.www.example.org")])) == .allowed(grant: "web"))
        #expect(policy.decide(try question(.postAsGet, identifiers: [], url: "https://acme.example/order/1")) == .allowed(grant: "web"))
        let finalize = try question(
            .finalize, keys: ["account", "web-1"], identifiers: [dns("a.www.example.org"), dns("b.www.example.org")])
        #expect(policy.decide(finalize) == .allowed(grant: "web"))
        let create = PolicyQuestion(peer: web, operation: .createKey, keys: ["web-7"])
        #expect(policy.decide(create) == .allowed(grant: "web"))
        #expect(policy.decide(PolicyQuestion(peer: web, operation: .listKeys)) == .allowed(grant: "web"))
    }

    @Test("One part that is not covered refuses the whole request, with its reason", arguments: Operation.allCases)
    func everyOperation(operation: Operation) throws {
        let all = Operation.allCases.map(\.rawValue)
        let name = try dns("a.www.example.org"), foreign = try dns("db.example.org")
        func asked(_ change: (inout PolicyQuestion) -> Void) throws -> PolicyQuestion {
            var result = try question(operation, identifiers: [name])
            change(&result)
            return result
        }
        let policy = try Policy(grants: [webGrant(operations: all)])
        #expect(policy.decide(try asked { _ in }) == .allowed(grant: "web"))
        #expect(policy.decide(try asked { $0.peer = stranger }).refusal?.reason == .noGrant)
        #expect(policy.decide(try asked { $0.keys = ["account", "db"] }).refusal?.reason == .keyNotGranted)
        #expect(policy.decide(try asked { $0.identifiers.append(foreign) }).refusal?.reason == .identifierNotGranted)
        let other = CABinding(origin: try origin("https://other.example"))
        #expect(policy.decide(try asked { $0.binding = other }).refusal?.reason == .caNotGranted)
        let others = Operation.allCases.filter { $0 != operation && !$0.grantedOnlyWith.contains(operation) }
        let without = try Policy(grants: [webGrant(operations: others.map(\.rawValue))])
        #expect(without.decide(try asked { _ in }).refusal?.reason == .operationNotGranted)
        #expect(Policy().decide(try asked { _ in }).refusal?.reason == .noGrant)
        #expect(policy.decide(try asked { $0.peer.uid = 65_534 }).refusal?.reason == .unmappedUser)
    }

    @Test("An operation is granted only together with a stronger one whose payload it shares, and by no bundle without it")
    func stronger() throws {
        for bundle in OperationBundle.allCases { #expect(bundle.operations.incomplete == nil, "\(bundle)") }
        #expect(!OperationBundle.issue.operations.contains(.deactivateAuthorization))
        #expect(OperationBundle.administer.operations.isSuperset(of: [.deactivateAuthorization, .deactivateAccount]))
        #expect(Operation.deactivateAuthorization.grantedOnlyWith == [.deactivateAccount])
        for operation in Operation.allCases where operation != .deactivateAuthorization { #expect(operation.grantedOnlyWith.isEmpty) }
        do {
            _ = try Policy(grants: [webGrant(operations: ["issue", "deactivate-authorization"])])
            Issue.record("the weaker was granted alone")
        } catch {
            #expect(
                "\(error)"
                    == "\"web\": the grant gives \"deactivate-authorization\" without \"deactivate-account\", whose payload is the same")
        }
        _ = try Policy(grants: [webGrant(operations: ["issue", "deactivate-authorization", "deactivate-account"])])
    }

    @Test("A registration uses an external account only if the grant that covers the rest lists that account")
    func externalAccounts() throws {
        var zero = try webGrant("zero", keys: ["account"], operations: ["account"])
        zero.externalAccounts = ["zero"]
        var other = try webGrant("other", keys: ["web-1"], operations: ["account"])
        other.externalAccounts = ["other"]
        let policy = try Policy(grants: [zero, other])
        func asked(_ key: KeyName, _ account: String?) throws -> PolicyDecision {
            var result = try question(.newAccount, keys: [key], identifiers: [])
            result.externalAccount = account
            return policy.decide(result)
        }
        #expect(try asked("account", nil) == .allowed(grant: "zero"))
        #expect(try asked("account", "zero") == .allowed(grant: "zero"))
        #expect(try asked("web-1", "other") == .allowed(grant: "other"))
        let refusal = try #require(try asked("account", "other").refusal)
        #expect(refusal.reason == .externalAccountNotGranted && refusal.forCaller.code == .notPermitted)
        #expect(refusal.forCaller.hint == "grant \"zero\" is for zero only")
        #expect(refusal.nearestGrant?.lacks == [.externalAccount("other")])
        // An account that is not configured looks the same.
        let unknown = try #require(try asked("account", "nothing").refusal)
        #expect(unknown.forCaller.hint == refusal.forCaller.hint && unknown.reason == refusal.reason)
        #expect(
            try Policy(grants: [webGrant(operations: ["account"])]).decide(question(.newAccount, identifiers: [])) == .allowed(grant: "web")
        )
        #expect(policy.externalAccounts(for: web) == ["other", "zero"])
        #expect(policy.externalAccounts(for: mail).isEmpty)
    }

    @Test("One grant must have peer, operation and keys together")
    func before() throws {
        let policy = try Policy(grants: [webGrant(), webGrant("db", keys: ["db"], operations: ["finalize"])])
        #expect(policy.mayAsk(.newOrder, key: "account", otherKey: nil, peer: web))
        #expect(policy.mayAsk(.finalize, key: "account", otherKey: "web-1", peer: web))
        #expect(!policy.mayAsk(.finalize, key: "account", otherKey: "db", peer: web))
        #expect(!policy.mayAsk(.newOrder, key: "db", otherKey: nil, peer: web))
        #expect(!policy.mayAsk(.newOrder, key: "account", otherKey: nil, peer: mail))
        #expect(!policy.mayAsk(.revokeCertificate, key: "account", otherKey: nil, peer: web))
        #expect(!policy.mayAsk(.newOrder, key: "account", otherKey: nil, peer: Peer(uid: 65_534, gids: [33])))
    }

    @Test("Grants never add up")
    func neverAdd() throws {
        let policy = try Policy(grants: [
            webGrant("names", identifiers: ["*.www.example.org"]), webGrant("mail", identifiers: ["mail.example.org"]),
            webGrant("keys", keys: ["db"], identifiers: ["*"]), webGrant("ca", identifiers: ["*"], cas: ["https://other.example"]),
            webGrant("wild", identifiers: [], wildcards: true), webGrant("revoke", operations: ["revoke-certificate"], identifiers: ["*"]),
        ])
        let www = try dns("a.www.example.org"), mailName = try dns("mail.example.org")
        #expect(policy.decide(try question(identifiers: [www])) == .allowed(grant: "names"))
        #expect(policy.decide(try question(identifiers: [mailName])) == .allowed(grant: "mail"))
        let both = policy.decide(try question(identifiers: [www, mailName])).refusal
        #expect(both?.reason == .identifierNotGranted)
        #expect(both?.nearestGrant?.name == "names")
        #expect(policy.decide(try question(.finalize, keys: ["account", "db"], identifiers: [www])).refusal?.reason == .keyNotGranted)
        #expect(policy.decide(try question(identifiers: [dns("*.www.example.org")])).refusal?.reason == .wildcardNotGranted)
        #expect(policy.decide(try question(identifiers: [dns("x.example.org")])).refusal != nil)
    }

    @Test("A wildcard certificate needs the name and the permission")
    func wildcards() throws {
        let star = try dns("*.www.example.org")
        #expect(try Policy(grants: [webGrant()]).decide(question(identifiers: [star])).refusal?.reason == .wildcardNotGranted)
        #expect(try Policy(grants: [webGrant(wildcards: true)]).decide(question(identifiers: [star])) == .allowed(grant: "web"))
        let any = try Policy(grants: [webGrant(identifiers: ["*"])])
        #expect(try any.decide(question(identifiers: [star])).refusal?.reason == .wildcardNotGranted)
        let exact = try Policy(grants: [webGrant(identifiers: ["www.example.org"], wildcards: true)])
        #expect(try exact.decide(question(identifiers: [star])).refusal?.reason == .identifierNotGranted)
        let above = try Policy(grants: [webGrant(identifiers: ["*.example.org"], wildcards: true)])
        #expect(try above.decide(question(identifiers: [star])).refusal?.reason == .identifierNotGranted)
    }

    @Test("The URL must be the key's CA's, whatever the grant lists")
    func urls() throws {
        let policy = try Policy(grants: [webGrant(cas: ["https://acme.example", "https://other.example"])])
        let name = try dns("a.www.example.org")
        for url in [
            "https://other.example/new-order", "https://acme.example:8443/x", "https://acme.example.evil.test/x",
            "https://evil.test/acme.example",
        ] {
            let refusal = policy.decide(try question(identifiers: [name], url: url)).refusal
            #expect(refusal?.reason == .urlNotOfCA, "\(url)")
            #expect(refusal?.forCaller.code == .urlRefused)
        }
        #expect(policy.decide(try question(identifiers: [name], url: "https://ACME.example:443/x")) == .allowed(grant: "web"))
        // A second host of the CA is another origin.
        let elsewhere = "https://api.acme.example/finalize"
        #expect(policy.decide(try question(identifiers: [name], url: elsewhere)).refusal?.reason == .urlNotOfCA)
        var missing = try question(identifiers: [name])
        missing.url = nil
        #expect(policy.decide(missing).refusal?.reason == .urlNotOfCA)
        #expect(policy.decide(try question(identifiers: [name], boundTo: nil)).refusal?.reason == .urlNotOfCA)
    }

    @Test("A certificate key revokes its own certificate at a granted CA, and does nothing else there")
    func certificateKey() throws {
        let policy = try Policy(grants: [webGrant(operations: ["revoke-certificate", "issue"])])
        let name = try dns("a.www.example.org")
        func asked(_ operation: Operation, _ url: String) throws -> PolicyDecision {
            policy.decide(try question(operation, keys: ["web-1"], identifiers: [name], url: url, boundTo: nil))
        }
        #expect(try asked(.revokeCertificate, "https://acme.example/revoke") == .allowed(grant: "web"))
        #expect(try asked(.revokeCertificate, "https://other.example/revoke").refusal?.reason == .caNotGranted)
        #expect(try asked(.newOrder, "https://acme.example/x").refusal?.reason == .urlNotOfCA)
    }

    @Test("An order or a CSR without identifiers is refused")
    func nothing() throws {
        let policy = try Policy(grants: [webGrant(operations: Operation.allCases.map(\.rawValue), identifiers: ["*"])])
        for operation in [Operation.newOrder, .finalize, .signRequest] {
            #expect(policy.decide(try question(operation, identifiers: [])).refusal?.reason == .noIdentifiers)
        }
    }

    @Test("An unknown key and another user's look the same to the caller, but not to the administrator")
    func unknownKey() throws {
        let policy = try Policy(grants: [webGrant(), webGrant("mail", peers: [.user(2_000)], keys: ["mail-*"])])
        let name = try dns("a.www.example.org")
        let others = try #require(policy.decide(try question(keys: ["mail-1"], identifiers: [name])).refusal)
        let unknown = try #require(policy.decide(try question(keys: ["nothing"], identifiers: [name])).refusal)
        #expect(others.forCaller == .keyNotFound("mail-1"))
        #expect(unknown.forCaller == .keyNotFound("nothing"))
        #expect(others.forCaller.message.replacingKey("mail-1") == unknown.forCaller.message.replacingKey("nothing"))
        #expect(others.forCaller.hint == unknown.forCaller.hint)
        #expect(others.nearestGrant?.lacks.contains(.key("mail-1")) == true || others.nearestGrant?.lacks.contains(.peer) == true)
        // A caller without any grant gets the same answer.
        let nobody = try #require(policy.decide(try question(peer: stranger, keys: ["mail-1"], identifiers: [name])).refusal)
        #expect(nobody.reason == .noGrant)
        #expect(nobody.forCaller == .keyNotFound("mail-1"))
        // Of two keys, the answer names the one that is not the caller's.
        let two = policy.decide(try question(.finalize, keys: ["account", "mail-1"], identifiers: [name])).refusal
        #expect(two?.forCaller == .keyNotFound("mail-1"))
    }

    @Test("At another CA, the text says what was refused: not every operation signs")
    func textsAtAnotherCA() throws {
        let operations: [(Operation, String)] = [
            (.newOrder, "sign for the CA https://other.example"), (.createKey, "make key \"account\" for the CA https://other.example"),
            (.adoptKey, "adopt key \"account\" for the CA https://other.example"),
            (.retireKey, "retire key \"account\" of the CA https://other.example"),
            (.deleteKey, "delete key \"account\" of the CA https://other.example"),
        ]
        let policy = try Policy(grants: [webGrant(operations: operations.map { $0.0.rawValue })])
        for (operation, deed) in operations {
            let asked = PolicyQuestion(
                peer: web, operation: operation, keys: ["account"], binding: CABinding(origin: try origin("https://other.example")),
                url: operation.isForCA ? try ACMEURL("https://other.example/new-order") : nil,
                identifiers: operation.needsIdentifiers ? [try dns("a.www.example.org")] : [])
            let refusal = try #require(policy.decide(asked).refusal)
            #expect(refusal.reason == .caNotGranted && refusal.forCaller.message == "the agent refused to \(deed)")
        }
    }

    @Test("The refusals' texts: the administrator's with the nearest grant, the caller's with its own")
    func texts() throws {
        let policy = try Policy(grants: [webGrant(), webGrant("secret", peers: [.user(2_000)], keys: ["*"], identifiers: ["*"])])
        let refusal = try #require(policy.decide(try question(identifiers: [dns("a.www.example.org"), dns("db.example.org")])).refusal)
        #expect(refusal.forCaller.code == .identifierRefused)
        #expect(refusal.forCaller.message == "the agent refused to sign for \"db.example.org\"")
        #expect(refusal.forCaller.hint == "grant \"web\" covers *.www.example.org only")
        #expect(refusal.forCaller.identifiers == ["db.example.org"])
        #expect(refusal.description == "identifier-not-granted: nearest is grant \"web\", which lacks the identifiers \"db.example.org\"")

        let operation = try #require(policy.decide(try question(.deactivateAccount, identifiers: [])).refusal)
        #expect(operation.forCaller.code == .notPermitted)
        #expect(operation.forCaller.hint?.contains("secret") == false)

        let create = try #require(policy.decide(PolicyQuestion(peer: web, operation: .createKey, keys: ["db"])).refusal)
        #expect(create.forCaller.code == .notPermitted)
        #expect(create.forCaller.hint == "your grants are for keys named account, web-* only")

        let nobody = try #require(policy.decide(try question(peer: stranger, identifiers: [dns("a.www.example.org")])).refusal)
        #expect(nobody.description == "no-grant: nearest is grant \"web\", which lacks the peer")

        for refusal in [refusal, operation, create, nobody] {
            #expect(!"\(refusal.forCaller)".contains("secret"))
        }
    }

    @Test("A thousand identifiers give a text of bounded length")
    func bounded() throws {
        let policy = try Policy(grants: [webGrant()])
        let names = try (0..<1_000).map { try dns("n\($0).example.org") }
        let refusal = try #require(policy.decide(try question(identifiers: names)).refusal)
        #expect(refusal.forCaller.message.utf8.count < 300 && refusal.description.utf8.count < 500)
        #expect(refusal.forCaller.message.hasSuffix("and 992 more"))
    }

    @Test("A listing shows a peer its own keys")
    func listing() throws {
        let policy = try Policy(grants: [webGrant(), webGrant("quiet", peers: [.user(2_000)], operations: ["new-order"])])
        #expect(policy.mayList(key: "web-1", peer: web))
        #expect(!policy.mayList(key: "mail-1", peer: web))
        #expect(!policy.mayList(key: "web-1", peer: mail))
        #expect(!policy.mayList(key: "web-1", peer: stranger))
        // What a listing tells may be told.
        #expect(policy.mayLearn(ofKeys: ["web-1"], asking: .deleteKey, peer: web))
        #expect(!policy.mayLearn(ofKeys: ["mail-1"], asking: .listKeys, peer: web))
        #expect(!policy.mayLearn(ofKeys: [], asking: .listKeys, peer: web))
        #expect(policy.grants(for: web).map(\.name) == ["web"])
        #expect(policy.grants(for: Peer(uid: 65_534, gids: [33])).isEmpty)
    }

    @Test("Any request is allowed exactly if one grant covers every part")
    func property() throws {
        let grants = try [
            webGrant("a"),
            webGrant("b", peers: [.group(33)], keys: ["account"], operations: ["issue", "revoke-certificate"], identifiers: ["*"]),
            webGrant("c", peers: [.user(2_000)], keys: ["*"], operations: ["administer"], identifiers: ["192.0.2.0/24"], wildcards: true),
            webGrant(
                "d", peers: [.user(2_000)], operations: ["issue"], identifiers: ["*.example.org"], wildcards: true,
                cas: ["https://localhost:*"]),
        ]
        let policy = try Policy(grants: grants)
        let identifierSets: [[Identifier]] = try [
            [dns("a.www.example.org")], [dns("x.example.org")], [dns("*.example.org")], [ip("192.0.2.9")], [ip("192.0.3.9")],
            [dns("a.www.example.org"), ip("192.0.2.9")], [dns("www.example.org"), dns("*.example.org")],
        ]
        var allowed = 0, asked = 0
        for peer in [web, mail, stranger, Peer(uid: 65_534, gids: [33])] {
            for operation in Operation.allCases {
                for keys: [KeyName] in [["account"], ["web-1"], ["account", "web-1"], ["account", "db"]] {
                    for identifiers in identifierSets {
                        for ca in ["https://acme.example", "https://localhost:14000"] {
                            let one = try question(operation, peer: peer, keys: keys, identifiers: identifiers, url: ca + "/x", boundTo: ca)
                            asked += 1
                            // The same condition, written in another way.
                            let covering = grants.first { grant in
                                peer.uid != 65_534 && grant.lacks(one).isEmpty
                            }
                            switch policy.decide(one) {
                            case .allowed(let name):
                                allowed += 1
                                #expect(name == covering?.name)
                            case .refused(let refusal):
                                #expect(covering == nil, "\(one) \(refusal)")
                                #expect(!refusal.forCaller.message.isEmpty)
                            }
                        }
                    }
                }
            }
        }
        #expect(asked == 4 * Operation.allCases.count * 4 * 7 * 2 && allowed > 50 && allowed < asked / 4)
    }
}

extension String {
    fileprivate func replacingKey(_ key: String) -> String {
        split(separator: key, omittingEmptySubsequences: false).joined(separator: "KEY")
    }
}
