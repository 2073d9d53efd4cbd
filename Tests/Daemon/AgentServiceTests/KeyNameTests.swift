import AgentInterface
import Foundation
import Testing
import Varlink

@testable import AgentService

/// Key names as callers write them. A text that is not a key name gets the same answer as a key that does not exist.
@Suite(.timeLimit(.minutes(2))) struct KeyNameTests {
    private static let texts = [
        "", ".", "..", "../account-1", "Account-1", "account-1\u{7}", "account-1 ", "account-é", "account-e\u{301}", "a..b",
        String(repeating: "a", count: 65), "*", "-account",
    ]
    private static let signing = #""url":"https://localhost:14000/order/1","nonce":"bm9uY2U""#
    private static let account = #""account":"https://localhost:14000/account/1""#
    private static let identifiers = #""identifiers":[{"type":"dns","value":"www.example.org"}]"#
    /// Parameters with NAME in place of a key's name.
    private static let calls: [(method: String, parameters: String)] = [
        ("DescribeKey", #""name":NAME"#), ("RetireKey", #""name":NAME"#), ("DeleteKey", #""name":NAME"#),
        ("SignPostAsGet", #""key":NAME,\#(signing),\#(account)"#), ("SignNewAccount", #""key":NAME,\#(signing)"#),
        ("SignNewOrder", #""key":NAME,\#(signing),\#(account),\#(identifiers)"#),
        ("SignKeyChange", #""key":NAME,"newKey":"account-2",\#(signing),\#(account)"#),
        ("SignKeyChange", #""key":"account-1","newKey":NAME,\#(signing),\#(account)"#),
        ("SignFinalize", #""key":"account-1","certificateKey":NAME,\#(signing),\#(account),\#(identifiers)"#),
        ("SignCertificateRequest", #""key":NAME,\#(identifiers)"#),
        ("SignHandshake", #""key":NAME,"content":"AAAA","scheme":"ecdsa_secp256r1_sha256""#),
        ("SignClientHandshake", #""key":NAME,"content":"AAAA","scheme":"ecdsa_secp256r1_sha256""#),
        ("SignServerKeyExchange", #""key":NAME,"content":"AAAA","scheme":"ecdsa_secp256r1_sha256""#),
    ]

    /// As JSON; the texts have no quotes.
    private static func json(_ text: String) -> String { "\"" + text.replacingOccurrences(of: "\u{7}", with: "\\u0007") + "\"" }

    private func answers(_ agent: AgentFixture) async throws {
        let client = try await agent.client()
        if try await client.status().grants.contains(where: { $0.operations.contains("create-key") }) { _ = try await client.accountKey() }
        let connection = try await VarlinkConnection.connect(to: try #require(VarlinkAddress(path: agent.socket)))
        for (method, parameters) in Self.calls {
            for text in Self.texts {
                let written = Self.json(text)
                let call = "{" + parameters.replacingOccurrences(of: "NAME", with: written) + "}"
                let error = await #expect(throws: VarlinkError.self, "\(method) \(written)") {
                    try await connection.call("\(AgentInterfaceText.name).\(method)", parameters: Array(call.utf8))
                }
                #expect(error?.name == "\(AgentInterfaceText.name).KeyNotFound", "\(method) \(written)")
                let name = try error?.parameters.string("name")
                #expect(
                    name.map { Self.json($0) == written } ?? false || method == "SignFinalize" || method == "SignKeyChange", "\(method)")
            }
        }
        await connection.close()
    }

    @Test func aTextThatIsNoNameIsNoKeyForWhoMayUseAll() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        try await answers(agent)
    }

    @Test func aTextThatIsNoNameIsNoKeyForWhoMayUseNone() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything.replacingOccurrences(of: "[USER]", with: "[4242]"))
        defer { agent.end() }
        try await answers(agent)
    }
}
