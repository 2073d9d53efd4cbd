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

    @Test(arguments: [(nil, "unknown: "), ([], "no"), (["decrypt"], "yes: decrypt")] as [([String]?, String)])
    func aKeySaysWhetherItIsWeak(weaknesses: [String]?, words: String) throws {
        let key = KeyDescription(
            name: "web-1", usage: .certificate, algorithm: .p256, state: .active, publicKey: SoftwareKey().publicKey, token: "t", uri: "u",
            directory: nil, created: "2026-01-01T00:00:00Z", weaknesses: weaknesses)
        let line = try #require(key.fields.split(separator: "\n").first { $0.hasPrefix("weak") })
        #expect(line.contains(words), "\(line)")
    }
}
