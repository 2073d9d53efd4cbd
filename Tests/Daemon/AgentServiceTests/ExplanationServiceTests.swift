import ACME
import AgentInterface
import Foundation
import KeyNameLiterals
import Logging
import Testing

@testable import AgentClient
@testable import AgentService

/// Decisions explained over the socket: the gate's, without their consequences. What users learn of each other is in
/// `TwoUsersTests`: whoever runs the tests is the agent's own user, who may know all grants.
@Suite(.timeLimit(.minutes(3))) struct ExplanationServiceTests {
    private static let url = "https://localhost:14000/x"

    private static let grants = """
        [[grant]]
        name = "web"
        users = [USER]
        keys = ["account-1", "web-*"]
        operations = ["issue", "create-key", "account", "sign-handshake"]
        identifiers = ["*.example.org"]
        cas = ["https://localhost:*"]

        [[grant]]
        name = "mail"
        users = [4000000]
        groups = [4000001]
        keys = ["mail-*"]
        operations = ["sign-handshake"]

        """

    private func order(_ names: String..., subject: DecisionQuestion.Subject? = nil) throws -> DecisionQuestion {
        DecisionQuestion(
            .newOrder, keys: ["account-1"], url: try ACMEURL(Self.url), identifiers: try names.map { try Identifier(argument: $0) },
            subject: subject)
    }

    /// The number of the line with this text in the configuration.
    private func line(_ text: String, in agent: AgentFixture) throws -> Int? {
        let lines = try String(contentsOfFile: agent.file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
        return lines.firstIndex { $0.hasPrefix(text) }.map { $0 + 1 }
    }

    @Test func aRefusalNamesTheLineAndAfterTheChangeItIsAllowed() async throws {
        let agent = try AgentFixture(grants: Self.grants)
        defer { agent.end() }
        let client = try await agent.client()
        let question = try order("www.example.org", "www.example.com")
        let refused = try await client.explain(question)
        #expect(!refused.isAllowed && refused.grant == "web" && refused.reason == "identifier-not-granted")
        #expect(refused.message == "the agent refused to sign for \"www.example.com\"")
        #expect(try refused.file == agent.file && refused.line == line("[[grant]]", in: agent))
        #expect(
            try refused.lacks == [
                DecisionExplanation.Lack(
                    setting: "identifiers", line: line("identifiers =", in: agent), add: ["www.example.com"],
                    message: "the identifiers \"www.example.com\"")
            ])
        try agent.write(grants: Self.grants.replacingOccurrences(of: #"["*.example.org"]"#, with: #"["*.example.org", "www.example.com"]"#))
        try await agent.reload()
        let allowed = try await client.explain(question)
        #expect(try allowed == DecisionExplanation(isAllowed: true, grant: "web", file: agent.file, line: line("[[grant]]", in: agent)))
        // After its first record the trail has the start and the reload, and no question; nothing was signed.
        #expect(agent.trail.dropFirst().allSatisfy { $0.contains(#""kind":"event""#) } && agent.token.signatures == 0, "\(agent.trail)")
    }

    @Test func aSettingThatTheGrantDoesNotHaveHasNoLine() async throws {
        let agent = try AgentFixture(grants: Self.grants)
        defer { agent.end() }
        let client = try await agent.client()
        let subject = DecisionQuestion.Subject(user: 4_000_000, groups: [])
        let refused = try await client.explain(
            DecisionQuestion(
                .signRequest, keys: ["mail-1"], identifiers: [Identifier(argument: "mail.example.org")], subject: subject))
        #expect(refused.grant == "mail" && refused.lacks.map(\.setting) == ["operations", "identifiers"])
        #expect(refused.lacks.first?.line != nil && refused.lacks.last?.line == nil)
        // By the group as well.
        let member = DecisionQuestion.Subject(user: 4_000_002, groups: [1, 4_000_001])
        #expect(try await client.explain(DecisionQuestion(.signHandshake, keys: ["mail-1"], subject: member)).isAllowed)
        let stranger = try await client.explain(
            DecisionQuestion(.signHandshake, keys: ["mail-1"], subject: DecisionQuestion.Subject(user: 4_000_002, groups: [1])))
        #expect(stranger.reason == "no-grant" && stranger.lacks.map(\.setting) == ["users"])
        #expect(stranger.lacks.first?.add == ["4000002"])
    }

    @Test func anExplanationUsesUpNoRate() async throws {
        let agent = try AgentFixture(
            grants: Self.grants.replacingOccurrences(
                of: "[[grant]]\nname = \"mail\"",
                with: """
                    rate = { orders-per-day = 1 }
                    [[grant]]
                    name = "mail"
                    """))
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        let question = try order("www.example.org")
        for _ in 0..<3 { #expect(try await client.explain(question).isAllowed) }
        func ask() async throws {
            _ = try await client.sign(
                SigningCall(
                    key: "account-1", url: ACMEURL(Self.url), nonce: "bm9uY2U", account: ACMEURL("https://localhost:14000/account/1"),
                    request: .newOrder(NewOrder(identifiers: question.identifiers))))
        }
        try await ask()
        let refused = try await client.explain(question)
        #expect(!refused.isAllowed && refused.reason == "rate-exceeded" && refused.grant == "web" && refused.lacks.isEmpty)
        await #expect(throws: AgentError.self) { try await ask() }
    }

    /// What a daemon with that configuration refuses whenever it is asked, `--explain` does not call allowed.
    @Test func aRateOfZeroIsRefusedForAFileToo() async throws {
        let limited = Self.grants.replacingOccurrences(
            of: #"cas = ["https://localhost:*"]"#, with: "cas = [\"https://localhost:*\"]\nrate = { orders-per-day = 0 }")
        let agent = try AgentFixture(grants: limited)
        defer { agent.end() }
        let asked = try order("www.example.org"), subject = DecisionQuestion.Subject(user: geteuid(), groups: [])
        func offline() throws -> DecisionExplanation {
            let daemon = try AgentDaemon(configurationFile: agent.file, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            return daemon.explain(try order("www.example.org", subject: subject))
        }
        let refused = try offline()
        #expect(!refused.isAllowed && refused.reason == "rate-exceeded" && refused.grant == "web" && refused.line != nil)
        #expect(refused.message == "grant \"web\" allows 0 orders in 24 hours")
        // As the daemon says.
        #expect(try await agent.client().explain(asked) == refused)
        // Another grant that covers the same counts.
        let second = Self.grants.replacingOccurrences(of: #"name = "web""#, with: #"name = "also""#)
        let first = second.components(separatedBy: "[[grant]]").prefix(2).joined(separator: "[[grant]]")
        try agent.write(grants: limited + first)
        let allowed = try offline()
        #expect(allowed.isAllowed && allowed.grant == "also")
    }

    @Test func aListOfGrantsHasEverybodysAndThoseThatAreOff() async throws {
        let system = FakeSystem()
        system.set(.user("alice"), .number(geteuid()))
        let grants =
            Self.grants.replacingOccurrences(of: "users = [USER]", with: #"users = ["alice"]"#) + """
                [[grant]]
                name = "gone"
                users = ["nobody-of-that-name"]
                operations = ["read-metrics"]
                rate = { handshakes-per-second = 20, handshake-burst = 40, new-keys-per-day = 0 }

                """
        let agent = try AgentFixture(grants: grants, desk: system.desk)
        defer { agent.end() }
        let listing = try await agent.client().grants()
        #expect(listing.isComplete && listing.file == agent.file)
        #expect(listing.grants.map(\.grant.name) == ["web", "mail", "gone"])
        #expect(listing.grants.map(\.users) == [["alice"], ["4000000"], ["nobody-of-that-name"]])
        #expect(listing.grants.map(\.groups) == [[], ["4000001"], []])
        #expect(try listing.grants.first?.line == line("[[grant]]", in: agent))
        #expect(listing.grants.map { $0.off == nil } == [true, true, false])
        #expect(
            listing.grants.map(\.limits) == [
                [], [],
                [
                    RateLimit(what: "handshakes", count: 20, seconds: 1, burst: 40),
                    RateLimit(what: "keys", count: 0, seconds: 86_400, burst: 0),
                ],
            ])
    }

    /// More than one reply has.
    @Test func manyGrantsComeInParts() async throws {
        let grants = (0..<600).map { "[[grant]]\nname = \"g\($0)\"\nusers = [USER]\noperations = [\"read-metrics\"]\n" }.joined()
        let agent = try AgentFixture(grants: grants)
        defer { agent.end() }
        let listing = try await agent.client().grants()
        #expect(listing.grants.map(\.grant.name) == (0..<600).map { "g\($0)" })
    }

    // MARK: The gate

    private static let names = ["a.example.org", "b.example.com", "*.example.org"]

    private static func grants(_ numbers: inout some RandomNumberGenerator) -> String {
        func some(_ texts: [String]) -> String {
            texts.filter { _ in Bool.random(using: &numbers) }.map { "\"\($0)\"" }.joined(separator: ", ")
        }
        return (0..<Int.random(in: 1...3, using: &numbers)).map { index in
            let operations = some([
                "new-order", "finalize", "post-as-get", "respond-to-challenge", "sign-certificate-request", "sign-handshake",
                "read-metrics",
            ])
            return """
                [[grant]]
                name = "g\(index)"
                users = [\(Bool.random(using: &numbers) || index == 0 ? "USER" : "4000000")]
                keys = [\(some(["account-1", "web-*", "mail-1", "*"]))]
                operations = ["list-keys"\(operations.isEmpty ? "" : ", " + operations)]
                identifiers = [\(some(["a.example.org", "*.example.org", "b.example.com", "*"]))]
                wildcards = \(Bool.random(using: &numbers))
                cas = [\(some(["https://localhost:*", "https://ca.example"]))]

                """
        }.joined()
    }

    private static func question(_ numbers: inout some RandomNumberGenerator) throws -> DecisionQuestion {
        let operations: [ACME.Operation] = [
            .newOrder, .finalize, .postAsGet, .respondToChallenge, .signRequest, .signHandshake, .listKeys, .readMetrics,
        ]
        let operation = operations.randomElement(using: &numbers) ?? .readMetrics
        let certificate: KeyName = Bool.random(using: &numbers) ? "web-1" : "mail-1"
        let identifiers = names.filter { _ in Bool.random(using: &numbers) }
        let url = Bool.random(using: &numbers) ? Self.url : "https://ca.example/x"
        return DecisionQuestion(
            operation,
            keys: operation.keyRoles.map {
                $0 == .certificate || $0 == .any ? certificate : Int.random(in: 0..<8, using: &numbers) == 0 ? "web-1" : "account-1"
            },
            url: operation.isForCA ? try ACMEURL(url) : nil,
            identifiers: operation.needsIdentifiers
                ? try (identifiers.isEmpty ? ["a.example.org"] : identifiers).map { try Identifier(argument: $0) } : [])
    }

    /// Makes the request. All keys exist, so one that is not found is one that is not granted.
    private static func isAdmitted(_ question: DecisionQuestion, _ client: AgentClient) async throws -> Bool {
        func sign(_ request: ACMERequest) async throws {
            let url = try #require(question.url)
            _ = try await client.sign(SigningCall(key: question.keys[0], url: url, nonce: "bm9uY2U", account: url, request: request))
        }
        do {
            switch question.operation {
            case .newOrder: try await sign(.newOrder(NewOrder(identifiers: question.identifiers)))
            case .finalize:
                try await sign(.finalize(CertificateRequest(key: question.keys[1], identifiers: question.identifiers, mustStaple: false)))
            case .postAsGet: try await sign(.postAsGet)
            case .respondToChallenge: try await sign(.respondToChallenge)
            case .signRequest: _ = try await client.certificateRequest(key: question.keys[0], identifiers: question.identifiers)
            // No content of a handshake: refused as that, once it is admitted.
            case .signHandshake: _ = try await client.handshake(key: question.keys[0], content: [1], scheme: "ecdsa_secp256r1_sha256")
            case .listKeys: _ = try await client.key(named: question.keys[0])
            default: _ = try await client.metrics()
            }
            return true
        } catch let error as AgentError {
            switch error {
            case .refused, .keyNotFound: return false
            default: return true
            }
        }
    }

    /// Thousands of grants and requests: what is explained as allowed is admitted, and nothing else.
    @Test func anExplanationSaysWhatTheGateDoes() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        for name in ["web-1", "mail-1"] as [KeyName] { _ = try await client.createKey(named: name, usage: .certificate, algorithm: .p256) }
        var numbers = SystemRandomNumberGenerator(), allowed = 0, refused = 0
        for _ in 0..<40 {
            let grants = Self.grants(&numbers)
            try agent.write(grants: grants)
            try await agent.reload()
            for _ in 0..<60 {
                let question = try Self.question(&numbers)
                let explanation = try await client.explain(question), isAdmitted = try await Self.isAdmitted(question, client)
                #expect(explanation.isAllowed == isAdmitted, "\(question)\n\(explanation)\n\(grants)")
                if isAdmitted { allowed += 1 } else { refused += 1 }
            }
        }
        #expect(allowed > 200 && refused > 500, "\(allowed) allowed, \(refused) refused")
    }
}
