import ACME
import CertificateStore
import Foundation
import Testing

@testable import acme_agent

/// Who has to act after a failed attempt: the label `cause` of the metrics (Docs/metrics.md).
@Suite struct FailureCauseTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    private static let codes: [FailureCause: [String]] = [
        .agent: [
            "agent-unreachable", "agent-protocol", "token-unavailable", "signing-failed", "audit-unavailable", "overloaded", "key-unusable",
        ],
        .policy: [
            "refused", "rate-exceeded", "key-not-found", "key-exists", "key-in-use", "key-retired", "key-compromised", "invalid-request",
        ],
        .local: [
            "other-names", "no-effect", "other-account", "not-acme", "challenge-busy", "certificate-not-found", "already-revoked",
            "key-file-missing", "server-not-found", "not-confirmed", "interrupted", "store-*", "audit-*", "settings-damaged",
            "settings-newer", "file", "output", "usage", "configuration", "failed",
        ],
        .validation: ["validation-failed", "no-challenge", "challenge-setup"],
        .ca: [
            "ca-refused", "ca-unreachable", "ca-tls", "ca-protocol", "ca-unavailable", "rate-limited", "order-gone", "order-not-found",
            "timeout", "no-account", "account-closed", "terms-not-agreed", "user-action-required", "external-account-required",
        ],
        .deployment: ["deploy-failed", "not-deployed"],
    ]

    /// A new code must be given a cause here, and not by leaving it to the default.
    @Test func everyDocumentedCodeHasItsCause() throws {
        let page = try String(contentsOfFile: Self.root + "/Docs/cli.md", encoding: .utf8)
        let after = try #require(page.components(separatedBy: "\nCodes: ").dropFirst().first)
        let documented = after.components(separatedBy: "\n\n")[0].split(separator: "`").map(String.init).filter {
            $0.wholeMatch(of: /[a-z*-]+/) != nil
        }
        #expect(documented.count > 50)
        #expect(Set(documented) == Set(Self.codes.values.joined()))
        for (cause, codes) in Self.codes {
            for code in codes { #expect(FailureCause(code: code) == cause, "\(code)") }
        }
        #expect(FailureCause(code: "store-chain-refused") == .ca)
        #expect(FailureCause(code: "store-storage-full") == .local)
    }

    @Test func theDocumentHasEachCause() throws {
        let page = try String(contentsOfFile: Self.root + "/Docs/metrics.md", encoding: .utf8)
        let table = try #require(page.components(separatedBy: "\n| `cause` | what failed |\n").dropFirst().first)
        let rows = table.components(separatedBy: "\n\n")[0].split(separator: "\n").filter { $0.hasPrefix("| `") }
        #expect(rows.map { String($0.dropFirst(3).prefix { $0 != "`" }) } == FailureCause.allCases.map(\.rawValue))
    }

    /// With a code it decides, but a hook's failure is one whatever its code; records of format 2 have none.
    @Test(
        arguments: [
            ("token-unavailable", false, false, .agent, 3), ("refused", false, false, .policy, 3), ("file", false, false, .local, 3),
            ("challenge-busy", false, false, .local, 3), ("validation-failed", false, false, .validation, 3),
            ("ca-unreachable", true, false, .ca, 3), ("failed", false, true, .deployment, 3), (nil, true, false, .ca, 2),
            (nil, false, true, .deployment, 2), (nil, false, false, .validation, 2),
        ] as [(String?, Bool, Bool, FailureCause, Int)])
    func recordsOfEachFormatAreCounted(code: String?, isOfCA: Bool, isDeployment: Bool, cause: FailureCause, format: Int) async throws {
        let session = try CommandLineSession(), now = CommandLineSession.now
        let stored = try await session.install("www.example.org", isDeployed: !isDeployment)
        var record = RenewalRecord(name: stored.name)
        record.serial = stored.metadata.serial
        record.note(
            RenewalRecord.Failures(
                directory: try ACMEURL("https://ca.example/directory"), count: 3, first: now - 7_200, last: now - 3_600, next: now + 7_200,
                reason: "so it is", isOfCA: isOfCA, isDeployment: isDeployment, code: code))
        try await session.store.write(record)
        let text = try String(contentsOfFile: session.folder.file("state/renewals/www.example.org.json"), encoding: .utf8)
        #expect(text.hasPrefix("{\"version\":\(format),"), "\(text)")
        #expect(try await session.store.renewalRecord(named: stored.name) == record)

        let printed = try await session.run("acme-agent metrics --without-agent")
        let labels =
            "ca=\"https://ca.example/directory\",cause=\"\(cause.rawValue)\",certificate=\"www.example.org\","
            + "store=\"\(session.folder.file("state"))\""
        #expect(printed.output.contains("acme_agent_certificate_failures{\(labels)} 3\n"), "\(printed)")
        let shown = try await session.run("acme-agent show www.example.org; acme-agent show www.example.org --json")
        #expect(shown.output.contains("3 at ca.example, the last one "), "\(shown)")
        #expect(shown.output.contains("(\(cause.rawValue)): so it is; the next one in "), "\(shown)")
        #expect(shown.output.contains("\"cause\":\"\(cause.rawValue)\""), "\(shown)")
        #expect(shown.output.contains("\"code\":\"\(code ?? "")\"") == (code != nil), "\(shown)")
    }

    /// The record may still be of the certificate before: that one's failures are over, and so are the hook's once it has
    /// succeeded.
    @Test(arguments: [(true, false, 1), (true, true, 0), (false, false, 0)])
    func onlyFailuresOfThePresentCertificateCount(isDeployment: Bool, isDeployed: Bool, lines: Int) async throws {
        let session = try CommandLineSession(), now = CommandLineSession.now
        let stored = try await session.install("www.example.org", isDeployed: isDeployed)
        var record = RenewalRecord(name: stored.name)
        record.serial = "of another certificate"
        record.note(
            RenewalRecord.Failures(
                directory: try ACMEURL("https://ca.example/directory"), count: 1, first: now - 60, last: now - 60, next: now + 60,
                reason: "so it is", isOfCA: false, isDeployment: isDeployment, code: "failed"))
        try await session.store.write(record)
        let printed = try await session.run("acme-agent metrics --without-agent; acme-agent show www.example.org")
        #expect(printed.output.components(separatedBy: "acme_agent_certificate_failures{").count - 1 == lines, "\(printed)")
        #expect(printed.output.contains("failed attempts:") == (lines > 0), "\(printed)")
    }
}
