import ACME
import Issuance
import Testing

@testable import acme_agent

/// Commands in hints have the options that the user gave.
@Suite struct GivenOptionsTests {
    private let options = GivenOptions(
        directory: "https://ca.example/dir", others: [("--state-directory", "/my state"), ("--socket", "/s")])

    @Test(arguments: [
        (
            "acme-agent account register --agree-tos",
            "acme-agent account register --directory https://ca.example/dir --state-directory '/my state' --socket /s --agree-tos"
        ),
        (
            "acme-agent account register --agree-tos --directory https://other.example/dir",
            "acme-agent account register --state-directory '/my state' --socket /s --agree-tos --directory https://other.example/dir"
        ),
        ("run `acme-agent list`; then", "run `acme-agent list --state-directory '/my state' --socket /s`; then"),
        (
            "`acme-agent renew a --force` or acme-agent forget a",
            "`acme-agent renew --state-directory '/my state' --socket /s a --force` or acme-agent forget --state-directory '/my state' "
                + "--socket /s a"
        ),
        ("acme-agent keys", "acme-agent keys"), ("acme-agent lists", "acme-agent lists"), ("acme-agentd list", "acme-agentd list"),
        ("nothing to type", "nothing to type"),
    ])
    func areAddedToCommands(text: String, expected: String) {
        #expect(options.added(to: text) == expected)
        #expect(GivenOptions().added(to: text) == text)
    }

    @Test func areQuotedForAShell() {
        #expect(GivenOptions(others: [("--config", "it's")]).added(to: "acme-agent list") == "acme-agent list --config 'it'\\''s'")
    }

    @Test func theHintToRegisterHasThem() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let outcome = try await session.run(
            """
            mv state other; acme-agent show nothing --state-directory other
            """)
        #expect(outcome.error.contains("hint: acme-agent list --state-directory other\n"), "\(outcome)")
        let failure = Failure(IssuanceError.noAccount(directory: try ACMEURL("https://ca.example/dir")))
        #expect(failure.with(options).hint?.hasPrefix("acme-agent account register --state-directory '/my state'") == true)
    }
}
