import ACME
import AgentClient
import AgentInterface
import AuditTrail
import ConfigurationFile
import Foundation
import Testing

@testable import AgentService

/// Rates of grants, from the socket to the trail.
@Suite struct RateTests {
    private static func grant(_ rate: String) -> String {
        """
        [[grant]]
        name = "web"
        users = [USER]
        keys = ["*"]
        operations = ["issue", "account", "administer", "sign-handshake"]
        identifiers = ["*.example.org"]
        cas = ["https://localhost:*"]
        rate = { \(rate) }
        """
    }

    private static let content =
        [UInt8](repeating: 0x20, count: 64) + Array("TLS 1.3, server CertificateVerify".utf8) + [0] + [UInt8](repeating: 0xAB, count: 32)

    private func order(_ client: AgentClient) async throws {
        _ = try await client.sign(
            SigningCall(
                key: "account-1", url: ACMEURL("https://localhost:14000/new-order"), nonce: "bm9uY2U",
                account: ACMEURL("https://localhost:14000/account/1"),
                request: .newOrder(try NewOrder(identifiers: [Identifier(argument: "www.example.org")]))))
    }

    /// Message and hint of a refusal, and the time that it gives to programs.
    private func refused(_ body: () async throws -> Void) async throws -> (message: String, hint: String?, retryAt: Int64?)? {
        let error = await #expect(throws: AgentError.self) { try await body() }
        guard case .rateExceeded(let message, let hint, let retryAt, _)? = error else {
            Issue.record("\(String(describing: error))")
            return nil
        }
        return (message, hint, retryAt)
    }

    @Test func ordersOfADayAreCountedOverARestartAndAReload() async throws {
        let agent = try AgentFixture(grants: Self.grant("orders-per-day = 2"))
        defer { agent.end() }
        var client = try await agent.client()
        _ = try await client.accountKey()
        #expect(
            try await client.status().grants.map(\.rates)
                == [[RateStatus(RateLimit(what: "orders", count: 2, seconds: 86_400, burst: 2), left: 2)]])
        try await order(client)
        try agent.restart()
        client = try await agent.client()
        #expect(try await client.status().grants.first?.rates.first?.left == 1)
        try await order(client)
        let refusal = try await refused { try await order(client) }
        #expect(refusal?.message == "grant \"web\" allows 2 orders in 24 hours")
        // A day after the first order.
        let retryAt = try #require(refusal?.retryAt)
        #expect(abs(retryAt - Int64(Date().timeIntervalSince1970) - 86_400) < 600)
        #expect(refusal?.hint == "try again at \(RFC3339.string(retryAt))")
        let record = try #require(try agent.trail.map { try AuditEntry(line: Array($0.utf8)).record }.last)
        #expect(record.kind == .refusal && record.error == "rate-exceeded" && record.grant == "web" && record.operation == "new-order")
        #expect(record.identifiers == ["www.example.org"])
        // What is not counted goes on.
        _ = try await client.postAsGet()
        try agent.write(grants: Self.grant("orders-per-day = 3"))
        try await agent.reload()
        try await order(client)
        _ = try await refused { try await order(client) }
        #expect(try await client.status().grants.first?.rates.first?.left == 0)
    }

    @Test func newKeysAndRevocationsAreCountedApart() async throws {
        let agent = try AgentFixture(grants: Self.grant("new-keys-per-day = 1, revocations-per-day = 0, orders-per-day = 1"))
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        let key = try await refused { _ = try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256) }
        #expect(key?.message == "grant \"web\" allows 1 new key in 24 hours")
        // It will never be allowed: no rate that is used up for now.
        let revocation = await #expect(throws: AgentError.self) {
            _ = try await client.sign(
                SigningCall(
                    key: "account-1", url: ACMEURL("https://localhost:14000/revoke"), nonce: "bm9uY2U",
                    account: ACMEURL("https://localhost:14000/account/1"), request: .revokeCertificate(Revocation(certificate: [0x30, 0]))))
        }
        #expect(
            revocation
                == .refused(
                    reason: "not-permitted", message: "grant \"web\" allows 0 revocations in 24 hours",
                    hint: "its administrator can raise the rate"))
        try await order(client)
    }

    @Test func aGrantOfOnesOwnServesWhenASharedOneIsUsedUp() async throws {
        let shared = Self.grant("orders-per-day = 1").replacingOccurrences(of: "\"web\"", with: "\"shared\"")
        let agent = try AgentFixture(grants: shared + "\n" + Self.grant("orders-per-day = 2"))
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        for _ in 0..<3 { try await order(client) }
        let grants = try agent.trail.map { try AuditEntry(line: Array($0.utf8)).record }
            .filter { $0.operation == "new-order" && $0.kind == .intent }.map(\.grant)
        #expect(grants == ["shared", "web", "web"])
        // The first grant's, and both are used up.
        #expect(try await refused { try await order(client) }?.message == "grant \"shared\" allows 1 order in 24 hours")
        #expect(try await client.status().grants.map { $0.rates.first?.left } == [0, 0])
    }

    @Test func handshakesBeyondTheBurstAreAnsweredWithOverloaded() async throws {
        let agent = try AgentFixture(grants: Self.grant("handshakes-per-second = 1, handshake-burst = 3"))
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256)
        // At once, so that a slow machine does not fill the bucket again meanwhile.
        let answers = await withTaskGroup(of: String?.self) { group in
            for _ in 0..<60 {
                group.addTask {
                    do {
                        _ = try await client.handshake(key: "web-1", content: Self.content, scheme: "ecdsa_secp256r1_sha256")
                        return nil
                    } catch AgentError.overloaded(let message, _) {
                        return message
                    } catch { return "\(error)" }
                }
            }
            return await group.reduce(into: [String?]()) { $0.append($1) }
        }
        let overloaded = answers.compactMap(\.self)
        #expect(answers.count - overloaded.count >= 3 && overloaded.count >= 30, "\(overloaded.count)")
        #expect(overloaded.allSatisfy { $0.hasPrefix("grant \"web\" allows 1 handshake a second; try again in ") })
        // The bucket refills.
        try await Task.sleep(for: .milliseconds(1_100))
        _ = try await client.handshake(key: "web-1", content: Self.content, scheme: "ecdsa_secp256r1_sha256")
    }

    @Test func aFileOfANewerVersionIsRefusedAndADamagedOneCountsAnew() async throws {
        let agent = try AgentFixture(grants: Self.grant("orders-per-day = 2"))
        defer { agent.end() }
        var client = try await agent.client()
        _ = try await client.accountKey()
        try await order(client)
        try await order(client)
        let file = agent.folder + "/state/rates"
        try agent.restart { try #"{"format":2,"uses":[]}"#.write(toFile: file, atomically: false, encoding: .utf8) }
        await #expect(throws: RateKeeper.NewerFormat.self) { _ = try await agent.client() }
        try agent.restart { try "{".write(toFile: file, atomically: false, encoding: .utf8) }
        client = try await agent.client()
        try await order(client)
        #expect(try await client.status().grants.first?.rates.first?.left == 1)
    }

    @Test func whatCannotBeWrittenIsWrittenAsSoonAsThatIsPossible() async throws {
        let agent = try AgentFixture(grants: Self.grant("orders-per-day = 2"))
        defer { agent.end() }
        var client = try await agent.client()
        _ = try await client.accountKey()
        let file = agent.folder + "/state/rates"
        // A folder cannot be replaced by a file.
        try FileManager.default.createDirectory(atPath: file + "/x", withIntermediateDirectories: true)
        try await order(client)
        try await order(client)
        try FileManager.default.removeItem(atPath: file)
        for _ in 0..<1_000 where !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(10)) }
        try agent.restart()
        client = try await agent.client()
        _ = try await refused { try await order(client) }
    }

    @Test func asManyUsesAsTheRatesAllowAreReadAgain() async throws {
        let grants = (0..<16).map { index in
            Self.grant("orders-per-day = 10000, revocations-per-day = 10000, new-keys-per-day = 10000")
                .replacingOccurrences(of: "name = \"web\"", with: "name = \"web-\(index)\"")
        }
        let agent = try AgentFixture(grants: grants.joined(separator: "\n"))
        defer { agent.end() }
        _ = try await agent.client()
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        let times = (0..<10_000).map { String(now - Int64($0)) }.joined(separator: ",")
        let uses = (0..<16).flatMap { index in
            ["orders", "revocations", "keys"].map { #"{"grant":"web-\#(index)","what":"\#($0)","times":[\#(times)]}"# }
        }
        try agent.restart {
            try #"{"format":1,"uses":[\#(uses.joined(separator: ","))]}"#
                .write(toFile: agent.folder + "/state/rates", atomically: false, encoding: .utf8)
        }
        let status = try await agent.client().status()
        #expect(status.grants.count == 16 && status.grants.allSatisfy { $0.rates.count == 3 && $0.rates.allSatisfy { $0.left == 0 } })
    }

    @Test(arguments: [
        ("", "the rate limits nothing"), ("handshake-burst = 3", "needs \"handshakes-per-second\""),
        ("orders-per-day = 10001", "must be from 0 to 10000"), ("handshakes-per-second = 0", "must be from 1 to 1000000"),
        ("order-per-day = 1", "did you mean \"orders-per-day\"?"),
    ])
    func whatCannotBeMeantIsAnError(rate: String, message: String) throws {
        let text = """
            state-directory = "/s"
            \(AgentFixture.fakeToken)
            [[grant]]
            name = "web"
            users = ["0"]
            operations = ["issue"]
            rate = { \(rate) }
            """
        let error = #expect(throws: ConfigurationError.self) {
            _ = try AgentConfiguration(ConfigurationFile.parse(Array(text.utf8), file: "acme-agentd.toml"))
        }
        let said = "\(error?.description ?? "") \(error?.hint ?? "")"
        #expect(said.contains(message))
    }
}
