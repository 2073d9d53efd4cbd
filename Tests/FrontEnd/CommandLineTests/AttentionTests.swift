import ACME
import AgentInterface
import JOSE
import TestSupport
import Testing

@testable import acme_agent

@Suite struct AttentionTests {
    private func status(_ configuration: ConfigurationStatus?, _ problems: [ProblemStatus]) -> AgentStatus {
        AgentStatus(
            version: "1", user: 1, groups: [], tokens: [], grants: [], externalAccounts: [], auditSequence: 0, auditState: "writable",
            configuration: configuration, problems: problems)
    }

    @Test func whatIsOffOrWeakIsOneList() {
        let configuration = ConfigurationStatus(
            loaded: "now", sha256: "00", off: 1, entries: [.init(entry: "grant \"web\"", line: 3, message: "there is no user \"x\"")],
            reloadError: "line 4")
        let problems = [ProblemStatus(what: "key", name: "web-1", message: "it is empty")]
        #expect(
            Status.attention(status(configuration, problems)) == [
                "the last reload was refused: line 4", "grant \"web\" (line 3) is off: there is no user \"x\"", "key web-1: it is empty",
            ])
        #expect(Status.attention(status(ConfigurationStatus(loaded: "now", sha256: "00", off: 0), [])).isEmpty)
        #expect(Status.attention(status(nil, [])).isEmpty)
    }

    @Test func aGrantThatIsOffIsSaidOnceToWhoHearsOfAllEntries() {
        let entry = ConfigurationStatus.Entry(entry: "grant \"web\"", line: 3, message: "there is no user \"x\"")
        let own = ProblemStatus(what: "grant", name: "web", message: "it names you, and is off: there is no user \"x\"")
        let all = ConfigurationStatus(loaded: "now", sha256: "00", off: 1, entries: [entry])
        #expect(Status.attention(status(all, [own])) == ["grant \"web\" (line 3) is off: there is no user \"x\""])
        let count = ConfigurationStatus(loaded: "now", sha256: "00", off: 1)
        #expect(Status.attention(status(count, [own])).last == "grant web: it names you, and is off: there is no user \"x\"")
    }

    @Test func aGrantWithoutKeysOrOperationsAllowsNothing() {
        func grant(keys: [String], operations: [String]) -> GrantStatus {
            GrantStatus(
                name: "web", keys: keys, operations: operations, identifiers: ["*.example.org"], wildcards: false, cas: [])
        }
        #expect(Status.line(grant(keys: [], operations: ["issue"])) == "web: nothing, since it lists no keys")
        #expect(Status.line(grant(keys: [], operations: ["issue", "read-audit"])) == "web: read-audit")
        #expect(Status.line(grant(keys: ["*"], operations: [])) == "web: nothing, since it lists no operations")
        #expect(Status.line(grant(keys: ["*"], operations: ["issue"])).hasPrefix("web: issue with keys *"))
    }

    @Test(
        arguments: [
            (["sign-handshake", "sign-client-handshake", "sign-server-key-exchange"], "server 1.3, client 1.3, server 1.2"),
            ([], "no grant allows a handshake"), (["sign-later"], "sign-later"),
        ] as [([String], String)])
    func aKeySaysWhichHandshakesAreGranted(handshakes: [String], words: String) throws {
        let key = KeyDescription(
            name: "web-1", usage: .certificate, algorithm: .p256, state: .active, publicKey: SoftwareKey().publicKey, token: "t", uri: "u",
            directory: nil, created: "2026-01-01T00:00:00Z", weaknesses: [], handshakes: handshakes)
        let line = try #require(key.fields.split(separator: "\n").first { $0.hasPrefix("TLS") })
        #expect(line.hasSuffix(words), "\(line)")
    }

    @Test(arguments: [(nil, "unknown: "), ([], "no"), (["decrypt"], "yes: decrypt")] as [([String]?, String)])
    func aKeySaysWhetherItIsWeak(weaknesses: [String]?, words: String) throws {
        let key = KeyDescription(
            name: "web-1", usage: .certificate, algorithm: .p256, state: .active, publicKey: SoftwareKey().publicKey, token: "t", uri: "u",
            directory: nil, created: "2026-01-01T00:00:00Z", weaknesses: weaknesses)
        let line = try #require(key.fields.split(separator: "\n").first { $0.hasPrefix("weak") })
        #expect(line.contains(words), "\(line)")
    }
}
