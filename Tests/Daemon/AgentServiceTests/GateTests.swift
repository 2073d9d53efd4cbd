import ACME
import AgentInterface
import Foundation
import JOSE
import Testing
import Varlink

@testable import AgentClient
@testable import AgentService

/// What is decided when a call arrives, and what is read before that.
@Suite struct GateTests {
    private static let signing = #""url":"https://localhost:14000/x","nonce":"bm8","account":"https://localhost:14000/a""#

    /// The error's name without the interface's; `nil` for a reply.
    private func failure(_ agent: AgentFixture, _ method: String, _ parameters: String) async throws -> (name: String, parameter: String?)?
    {
        let connection = try await VarlinkConnection.connect(to: try #require(VarlinkAddress(path: agent.socket)))
        var failure: (String, String?)?
        do { _ = try await connection.call(AgentInterfaceText.name + "." + method, parameters: Array(parameters.utf8)) } catch let error
            as VarlinkError
        {
            failure = (
                String(error.name.dropFirst(AgentInterfaceText.name.utf8.count + 1)), try error.parameters.optionalString("parameter")
            )
        }
        await connection.close()
        return failure
    }

    private static let grants = """
        [[grant]]
        name = "web"
        users = [USER]
        keys = ["account-1", "web-1"]
        operations = ["issue", "create-key", "account", "sign-certificate-request"]
        identifiers = ["*.example.org"]
        cas = ["https://localhost:*"]
        [[grant]]
        name = "reader"
        users = [USER]
        keys = ["account-2"]
        operations = ["post-as-get"]
        cas = ["https://localhost:*"]

        """

    /// Reading a thousand names of three `xn--` labels each takes 30 ms, and a certificate of 128 KiB takes time too.
    @Test func whoHasNoGrantForOperationAndKeysIsRefusedBeforeNamesAndCertificatesAreRead() async throws {
        let agent = try AgentFixture(grants: GateTests.grants)
        defer { agent.end() }
        _ = try await agent.client()
        // None of these names is valid, so reading them gives another error.
        let names = (0..<1_000).map { #"{"type":"dns","value":"xn--\u001b[31m-\#($0).xn--99999.test"}"# }.joined(separator: ",")
        let identifiers = "\"identifiers\":[\(names)]"
        let certificate = #""certificate":"!""#
        for (method, rest) in [
            ("SignNewOrder", "\(GateTests.signing),\(identifiers)"), ("SignRevocation", "\(GateTests.signing),\(certificate)"),
            ("SignFinalize", "\(GateTests.signing),\(identifiers),\"certificateKey\":\"web-1\""), ("SignCertificateRequest", identifiers),
        ] {
            // Another user's key, and one that the caller may only read.
            let unknown = try await failure(agent, method, "{\"key\":\"mail-1\",\(rest)}")
            #expect(unknown?.name == "KeyNotFound", "\(method): \(String(describing: unknown))")
            let reader = try await failure(agent, method, "{\"key\":\"account-2\",\(rest)}")
            #expect(reader?.name == (method == "SignFinalize" ? "KeyNotFound" : "Refused"), "\(method): \(String(describing: reader))")
            // Without a key there is nothing to ask about.
            let keyless = try await failure(agent, method, "{\(rest)}")
            #expect(keyless?.name == "InvalidRequest" && keyless?.parameter == "key", "\(method): \(String(describing: keyless))")
            // A caller who may ask learns what is wrong.
            if method != "SignRevocation" {
                let own = try await failure(agent, method, "{\"key\":\"account-1\",\(rest)}")
                #expect(own?.name == "InvalidRequest" && own?.parameter == "identifiers", "\(method): \(String(describing: own))")
            }
        }
        // The other key of a finalization is checked too.
        let other = try await failure(
            agent, "SignFinalize", "{\"key\":\"account-1\",\(GateTests.signing),\(identifiers),\"certificateKey\":\"mail-1\"}")
        #expect(other?.name == "KeyNotFound")
        // The trail has each refusal with the number of names and the first of them, and nothing that a terminal would
        // obey.
        let refusals = agent.trail.filter { $0.contains(#""kind":"refusal""#) }
        #expect(refusals.count == 9)
        let order = try #require(refusals.first)
        #expect(order.contains(#""operation":"new-order""#) && order.contains(#""url":"https://localhost:14000/x""#))
        #expect(order.contains("1000 identifiers as the caller wrote them, not read"))
        #expect(order.contains("xn--\u{FFFD}[31m-0.xn--99999.test") && !order.contains("-16.xn--99999.test"))
        #expect(refusals.allSatisfy { !$0.contains(#"\u001b"#) && $0.utf8.count < 4_096 })
    }

    @Test func anExternalAccountIsUsedAndShownOnlyWhereAGrantListsIt() async throws {
        let secret = FileManager.default.temporaryDirectory.path + "/mac-\(UUID().uuidString)"
        defer { unlink(secret) }
        try Base64URL.encode([UInt8](repeating: 7, count: 32)).write(toFile: secret, atomically: false, encoding: .utf8)
        chmod(secret, 0o600)
        let accounts = ["zero", "other"].map {
            "[[external-account]]\nname = \"\($0)\"\ndirectory = \"\(AgentFixture.directory)\"\nkey-id = \"kid-\($0)\"\nhmac-key-file = \"\(secret)\"\n"
        }.joined()
        let agent = try AgentFixture(
            grants: accounts + GateTests.grants + """
                [[grant]]
                name = "registrar"
                users = [USER]
                keys = ["account-3"]
                operations = ["account"]
                cas = ["https://localhost:*"]
                external-accounts = ["zero"]
                """)
        defer { agent.end() }
        let client = try await agent.client()
        let status = try await client.status()
        #expect(status.externalAccounts == ["zero"])
        #expect(status.grants.map(\.externalAccounts) == [[], [], ["zero"]])
        _ = try await client.accountKey()
        func register(_ key: KeyName, _ name: String?) async throws -> SignedReply {
            try await client.sign(
                SigningCall(
                    key: key, url: ACMEURL("https://localhost:14000/new-account"), nonce: "bm9uY2U", account: nil,
                    request: .newAccount(NewAccount(termsOfServiceAgreed: true, externalAccount: name))))
        }
        _ = try await register("account-1", nil)
        // The grant with the key lists none; the one that lists it has another key. An account that is not configured
        // looks the same.
        let foreign: [(KeyName, String)] = [
            ("account-1", "zero"), ("account-1", "other"), ("account-1", "nothing"), ("account-3", "other"),
        ]
        for (key, name) in foreign {
            do {
                _ = try await register(key, name)
                Issue.record("\(name) was used for \(key)")
            } catch let error as AgentError {
                guard case .refused(let reason, let message, _, _) = error else {
                    Issue.record("\(error)")
                    continue
                }
                #expect(reason == "not-permitted")
                #expect(message == "the agent refused to use the external account \"\(name)\"")
            }
        }
        // Granted: only the key is missing.
        await #expect(throws: AgentError.keyNotFound(name: "account-3")) { try await register("account-3", "zero") }
        #expect(agent.trail.contains { $0.contains("external-account-not-granted") })
    }

    @Test func aGrantOfIssueAloneSignsNothingThatEndsAnAccount() async throws {
        let agent = try AgentFixture(grants: GateTests.grants)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        for url in ["https://localhost:14000/my-account/0", "https://localhost:14000/authz/1"] {
            await #expect(throws: AgentError.self) {
                try await client.sign(
                    SigningCall(
                        key: "account-1", url: ACMEURL(url), nonce: "bm9uY2U", account: ACMEURL("https://localhost:14000/my-account/1"),
                        request: .deactivateAuthorization))
            }
        }
        #expect(agent.token.signatures == 0)
    }
}
