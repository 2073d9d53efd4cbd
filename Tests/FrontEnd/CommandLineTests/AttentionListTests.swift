import ACME
import CertificateStore
import Foundation
import SilentServer
import Testing

@testable import acme_agent

/// How `list` shows what needs attention, on a terminal and elsewhere.
@Suite struct AttentionListTests {
    private func session() async throws -> CommandLineSession {
        let session = try CommandLineSession()
        try await session.install("good.example.org", more: ["a-rather-long-name.example.org", "another-rather-long-name.example.org"])
        try await session.install("late.example.org", age: 86)
        try await session.install("due.example.org", age: 61)
        try await session.install("gone.example.org", age: 100)
        try await session.install("hook.example.org", isDeployed: false)
        return session
    }

    private func row(_ name: String, in text: String) -> String {
        text.split(whereSeparator: \.isNewline).map(String.init).first { $0.hasPrefix(name) } ?? ""
    }

    @Test func eachStateIsSaid() async throws {
        let outcome = try await session().run("acme-agent list")
        #expect(outcome.status == 0, "\(outcome)")
        for (name, state, left) in [
            ("good", "valid", "89 days"), ("late", "overdue", "3 days"), ("due", "due", "28 days"), ("gone", "expired", "-10 days"),
            ("hook", "hook failed", "89 days"),
        ] {
            let row = row(name, in: outcome.output)
            #expect(row.contains("  \(state)  ") && row.contains("  \(left)  "), "\(outcome)")
        }
        #expect(outcome.output.contains("another-rather-long-name.example.org"), "nothing is cut in a file: \(outcome)")
        #expect(!outcome.output.contains("\u{1B}"))
    }

    /// Its order is done: the certificate is installed.
    @Test func aFailedHookIsNoInterruptedOrder() async throws {
        let session = try CommandLineSession()
        let order = try ACMEURL("https://ca.example/order/1")
        let certificate = try await session.install("hook.example.org", isDeployed: false, order: order)
        try await session.store.write(
            OrderJournal(
                name: certificate.name, directory: try #require(certificate.metadata.directory),
                identifiers: certificate.metadata.identifiers,
                accountKey: "account", started: CommandLineSession.now - 3 * 86_400,
                steps: [
                    .intentKey(name: certificate.metadata.key.name, isNew: true), .orderCreated(order, finalize: nil, authorizations: []),
                ]))
        let outcome = try await session.run("acme-agent list")
        #expect(outcome.output.contains("hook failed"), "\(outcome)")
        #expect(outcome.error.contains("acme-agent renew hook.example.org runs it again"), "\(outcome)")
        #expect(!outcome.error.contains("interrupted") && !outcome.error.contains("forget --order"), "\(outcome)")
    }

    @Test func checkEndsWithItsStatus() async throws {
        let session = try await session()
        #expect(try await session.run("acme-agent list --check").status == 6)
        for name in ["late", "gone", "hook"] {
            let outcome = try await session.run("acme-agent list --check >/dev/null || acme-agent forget \(name).example.org --yes")
            #expect(outcome.output.contains("forgot \(name)"), "\(outcome)")
        }
        #expect(try await session.run("acme-agent list --check").status == 0)
        let damaged = try await session.run(": >state/certificates/due.example.org/metadata.json; acme-agent list --check")
        #expect(damaged.status == 6, "\(damaged)")
    }

    @Test func aTerminalGetsColoursAndNoLongLine() async throws {
        let session = try await session()
        let outcome = try await session.runOnTerminal("acme-agent list")
        let plain = outcome.output.replacing(/\u{1B}\[[0-9;]*m/, with: "")
        #expect(plain.split(whereSeparator: \.isNewline).allSatisfy { $0.count <= 80 }, "\(outcome)")
        #expect(plain.contains("good.example.org") && plain.contains("…"), "\(outcome)")
        #expect(outcome.output.contains("\u{1B}[31mexpired\u{1B}[0m") && outcome.output.contains("\u{1B}[33mdue\u{1B}[0m"), "\(outcome)")
        let off = try await session.runOnTerminal("acme-agent list", environment: ["NO_COLOR": "1"])
        #expect(off.output.contains("expired") && !off.output.contains("\u{1B}[3"), "\(off)")
    }

    /// Stored certificates can be shown without the agent, even if it accepts connections but never answers.
    @Test func aSilentAgentHoldsTheListUpForSecondsOnly() async throws {
        let session = try await session()
        let agent = try SilentServer(path: session.folder.file("agent.sock"))
        defer { agent.close() }
        let outcome = try await session.run("timeout 60 acme-agent list")
        #expect(outcome.status == 0 && row("good.example.org", in: outcome.output).contains("valid"), "\(outcome)")
    }

    @Test func revokeAsksOnATerminalAlone() async throws {
        let session = try await session()
        let no = try await session.runOnTerminal("acme-agent revoke good.example.org; echo status $?", input: "n\n")
        #expect(no.output.contains("revoke certificate good.example.org, serial") && no.output.contains("[y/N]"), "\(no)")
        #expect(no.output.contains("nothing was changed") && no.output.contains("status 1"), "\(no)")
        // It gets no further without an agent.
        let yes = try await session.runOnTerminal("acme-agent revoke good.example.org; echo status $?", input: "y\n")
        #expect(yes.output.contains("status 3"), "\(yes)")
        #expect(try await session.run("acme-agent revoke good.example.org").status == 3)
    }

    @Test func longValuesGoOnInTheNextLine() {
        #expect(Wording.wrapped("one two three four five six", width: 21) == ["one two three four", "  five six"])
        #expect(Wording.wrapped("  hint: one two three four", width: 21) == ["  hint: one two three", "    four"])
        #expect(Wording.wrapped("short", width: 21) == ["short"])
        var list = FieldList()
        list.add("a", "one two three four five six")
        #expect(list.text(for: Terminal(width: 25, hasColours: false)) == "a:  one two three four\n      five six")
    }

    @Test func columnsThatDoNotFitAreLeftOut() {
        var table = TextTable(["NAME", "STATE", "NAMES"])
        table.add(["www.example.org", "valid", "www.example.org and mail.example.org"])
        let narrow = Terminal(width: 40, hasColours: false)
        #expect(table.text(for: narrow) == "NAME             STATE  NAMES\nwww.example.org  valid  www.example.org…")
        #expect(table.text(for: Terminal(width: 30, hasColours: false)) == "NAME             STATE\nwww.example.org  valid")
    }
}
