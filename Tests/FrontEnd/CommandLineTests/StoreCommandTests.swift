import Foundation
import Testing

@testable import acme_agent

/// Commands on the store, even if part of it is damaged or a command was interrupted.
@Suite struct StoreCommandTests {
    private static let metadata = "state/certificates/www.example.org/metadata.json"

    @Test func aChallengeIsTriedWithoutAnAgent() async throws {
        let session = try CommandLineSession()
        try session.folder.write("hook", "#!/bin/sh\necho zone locked\n[ $1 = cleanup ]\n", mode: 0o700)
        let failed = try await session.run("acme-agent challenge test www.example.org --dns-hook ./hook")
        #expect(failed.status == 5 && failed.output.contains("dns-01     not set up"), "\(failed)")
        #expect(failed.error.contains("error: www.example.org: ") && failed.error.contains("| zone locked"), "\(failed)")
        let json = try await session.run("acme-agent challenge test www.example.org --dns-hook ./hook --json")
        #expect(json.status == 5 && json.output.contains("\"target\":\"_acme-challenge.www.example.org\",\"seen\":false"), "\(json)")
        let unable = try await session.run("acme-agent challenge test '*.example.org' --webroot /tmp")
        #expect(unable.status == 5 && unable.error.contains("only dns-01 can validate a wildcard"), "\(unable)")
        let account = try await session.run(
            "acme-agent challenge test www.example.org --dns-hook ./hook --dns-challenge dns-account-01 --directory https://ca.example/dir")
        #expect(account.status != 0 && account.error.contains("there is no account at https://ca.example yet"), "\(account)")
        let other = try await session.run("acme-agent challenge test www.example.org --key-type p256")
        #expect(other.status == 64 && other.error.contains("--key-type has no effect here"), "\(other)")
        #expect(!FileManager.default.fileExists(atPath: session.folder.file("state/orders")))
    }

    @Test func aDamagedCertificateStopsNoOther() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        try await session.install("other.example.org")
        try await session.install("late.example.org", age: 100)
        let damaged = try await session.run(": >\(Self.metadata); : >state/accounts.json; acme-agent list")
        #expect(damaged.status == 1, "\(damaged)")
        #expect(damaged.output.contains("other.example.org") && damaged.output.contains("www.example.org"), "\(damaged)")
        #expect(
            damaged.error.contains("generations/1/metadata.json") && damaged.error.contains("acme-agent forget www.example.org"),
            "\(damaged)")
        let json = try await session.run("acme-agent list --json")
        #expect(json.status == 1 && json.output.contains("\"damaged\":[{\"name\":\"www.example.org\""), "\(json)")
        // The certificate that is due needs an agent; the other one is reported anyway.
        let renewal = try await session.run("acme-agent renew --all")
        #expect(renewal.output.contains("other.example.org: not due until"), "\(renewal)")
        #expect(renewal.error.contains("www.example.org: ") && renewal.error.contains("agent.sock"), "\(renewal)")
        let forgotten = try await session.run("acme-agent forget www.example.org --yes && acme-agent list")
        #expect(forgotten.status == 0 && !forgotten.output.contains("www.example.org  "), "\(forgotten)")
        #expect(!FileManager.default.fileExists(atPath: session.folder.file("state/certificates/www.example.org")))
    }

    @Test func aDamagedJournalStopsNoOther() async throws {
        let session = try CommandLineSession()
        try await session.install("other.example.org")
        let damaged = try await session.run(
            "mkdir -p state/orders; echo '{' >state/orders/www.example.org.json; acme-agent list; echo; acme-agent renew --all")
        #expect(damaged.status == 1, "\(damaged)")
        #expect(damaged.output.contains("other.example.org: not due until"), "\(damaged)")
        #expect(damaged.error.contains("orders/www.example.org.json"), "\(damaged)")
        let forgotten = try await session.run("acme-agent forget www.example.org --yes && acme-agent list")
        #expect(forgotten.status == 0, "\(forgotten)")
    }

    @Test(arguments: [
        "mv state/certificates/www.example.org state/certificates/.removed-www.example.org", "rm -r state/certificates/www.example.org",
        "rm state/certificates/www.example.org/current", "rm -r state/certificates/www.example.org/generations",
        "mv state/orders/www.example.org.json state/orders/.www.example.org.json.new",
        "mv state/settings/*.json state/settings/.www.example.org.json.new",
    ])
    func aForgettingThatWasCutOffIsFinished(cut: String) async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        try await session.install("www.example.org.example")
        let outcome = try await session.run(
            """
            mkdir -p state/settings state/orders; echo '{}' >state/settings/www.example.org.json; echo '{}' >state/orders/www.example.org.json
            \(cut); acme-agent forget www.example.org --yes || exit; find state -name '*www.example.org*' ! -path '*org.example*' ! -path 'state/locks/*'
            """)
        #expect(outcome.status == 0, "\(outcome)")
        #expect(!outcome.output.contains("state/"), "\(outcome)")
        let again = try await session.run("acme-agent forget www.example.org --yes")
        #expect(again.status == 1 && again.error.contains("there is no certificate"), "\(again)")
    }

    @Test(.enabled(if: geteuid() == 0)) func noRoomIsTriedAgainLater() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        // If a container's root may not mount, there is nothing to test.
        let outcome = try await session.run(
            """
            mkdir small && unshare -m sh -c 'mount -t tmpfs -o size=4k none small || exit 77
            cat /dev/zero >small/filler 2>/dev/null; acme-agent show www.example.org --out small/x' || exit
            """)
        #expect([75, 77, 1].contains(outcome.status), "\(outcome)")
        if !outcome.error.contains("unshare"), outcome.status != 77 {
            #expect(outcome.status == 75 && outcome.error.contains("small"), "\(outcome)")
        }
    }

    @Test func anOrderAloneIsForgotten() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let outcome = try await session.run(
            """
            mkdir -p state/orders; echo '{}' >state/orders/www.example.org.json
            acme-agent forget www.example.org --order --yes && acme-agent show www.example.org && ! acme-agent forget www.example.org --order --yes
            """)
        #expect(outcome.status == 0 && outcome.output.contains("forgot the order for www.example.org"), "\(outcome)")
        #expect(outcome.error.contains("there is no interrupted or failed order for www.example.org"), "\(outcome)")
    }

    /// A missing folder has no problems to report: monitoring would never notice.
    @Test(arguments: [
        "list", "list --check", "status --check", "renew --all", "show www.example.org", "forget www.example.org --yes",
        "revoke www.example.org", "keys delete web --yes", "account show",
    ]) func aStateDirectoryThatWasNamedMustBeThere(line: String) async throws {
        let session = try CommandLineSession()
        let named = try await session.run("acme-agent \(line) --state-directory /nope/state")
        #expect(named.status == 78 && named.error.contains("\"/nope/state\" does not exist"), "\(named)")
        let configured = try await session.run("rmdir state; acme-agent \(line)")
        // There is no account yet.
        #expect(configured.status != 78 && !configured.error.contains("state directory"), "\(configured)")
        let file = try await session.run("touch state; acme-agent \(line)")
        #expect(file.status == 78 && file.error.contains("state\" is not a folder"), "\(file)")
        let unused = try await session.run(
            ": >empty.toml; acme-agent \(line) --config empty.toml", environment: ["XDG_STATE_HOME": session.folder.file("none")])
        #expect(!unused.error.contains("state directory"), "\(unused)")
    }

    @Test func whatMakesTheStateDirectoryDoesNotWantIt() async throws {
        let session = try CommandLineSession()
        for line in ["issue -d www.example.org", "account register --agree-tos", "keys list"] {
            let outcome = try await session.run("acme-agent \(line) --state-directory new")
            #expect(outcome.status == 3, "\(outcome)")
        }
        let file = try await session.run("touch file; acme-agent issue -d www.example.org --state-directory file")
        #expect(file.status == 78 && file.error.contains("is not a folder"), "\(file)")
    }

    /// A timer that is silent until something is due would be silent too long. No agent listens.
    @Test func anAgentThatDoesNotAnswerIsToldWhereNothingIsDue() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let outcome = try await session.run("acme-agent renew --all --quiet")
        #expect(outcome.status == 3 && outcome.output.isEmpty, "\(outcome)")
        #expect(outcome.error.hasPrefix("acme-agent: warning: no certificate can be renewed for now: the agent's socket "), "\(outcome)")
        #expect(outcome.error.contains("\nacme-agent: hint: is acme-agentd running?") && !outcome.error.contains("error:"), "\(outcome)")
        let told = try await session.run("acme-agent renew --all")
        #expect(told.status == 3 && told.output.contains("www.example.org: not due until"), "\(told)")
        // Where something is due, the order's failure says it, and nothing says it again.
        try await session.install("late.example.org", age: 70)
        let due = try await session.run("acme-agent renew --all")
        #expect(due.status == 3 && due.error.contains("error: the agent's socket") && !due.error.contains("warning:"), "\(due)")
        // A person who names a certificate is told its date.
        let named = try await session.run("acme-agent renew www.example.org")
        #expect(named.status == 0 && named.error.isEmpty, "\(named)")
    }
}
