import ACME
import CertificateStore
import Foundation
import Issuance
import JOSE
import TestSupport
import Testing

@testable import acme_agent

/// `issue` run again. No agent listens: exit status 3 means that it would have ordered; otherwise it contacted nobody.
@Suite struct IssueAgainTests {
    private static let issue = "acme-agent issue --directory https://ca.example/directory"

    private func session() async throws -> CommandLineSession {
        let session = try CommandLineSession()
        try await session.install("www.example.org", more: ["mail.example.org"])
        return session
    }

    @Test func theSameAgainOrdersNothing() async throws {
        let session = try await session()
        for names in [
            "-d www.example.org -d mail.example.org", "-d WWW.example.org,mail.example.org",
            "--name www.example.org -d mail.example.org,www.example.org",
        ] {
            for more in ["", "--key www.example.org", "--key-type p256", "--expand", "--replace-names", "--http01-address 127.0.0.1:5002"] {
                let again = try await session.run("\(Self.issue) \(names) \(more)")
                #expect(again.status == 0 && again.error.contains("nothing was ordered (--force"), "\(again)")
                #expect(again.output.contains("mail.example.org") && again.output.contains("files"), "\(again)")
            }
        }
        let json = try await session.run("\(Self.issue) -d www.example.org,mail.example.org --json")
        #expect(json.status == 0 && json.output.contains(#""ordered":false"#) && json.output.contains(#""resumed":false"#), "\(json)")
    }

    @Test(arguments: [
        "--force", "--new-key", "--key other", "--key-type P-384", "--profile shortlived", "--preferred-chain \"Other Root\"",
        "--must-staple",
        "--directory https://other.example/directory",
    ])
    func whatIsNotTheSameIsOrdered(option: String) async throws {
        let session = try await session()
        let outcome = try await session.run("\(Self.issue) -d www.example.org,mail.example.org \(option)")
        #expect(outcome.status == 3, "\(outcome)")
    }

    @Test func whatIsDueRevokedOrBegunIsOrdered() async throws {
        let session = try CommandLineSession()
        try await session.install("due.example.org", age: 80)
        let revoked = try await session.install("revoked.example.org")
        try await session.store.markRevoked(revoked.name, generation: 1)
        let begun = try await session.install("begun.example.org")
        try await session.store.write(
            OrderJournal(
                name: begun.name, directory: try #require(begun.metadata.directory), identifiers: begun.metadata.identifiers,
                accountKey: "account",
                started: CommandLineSession.now, steps: [.intentKey(name: "begun", isNew: false)]))
        for name in ["due", "revoked", "begun"] {
            let outcome = try await session.run("\(Self.issue) -d \(name).example.org")
            #expect(outcome.status == 3, "\(outcome)")
        }
    }

    // MARK: Names

    @Test(arguments: [
        ("-d www.example.org", "also includes mail.example.org"),
        ("-d www.example.org,mail.example.org,new.example.org", "does not include new.example.org"),
        ("-d www.example.org,new.example.org", "also includes mail.example.org, not given now, and does not include new.example.org"),
        ("--name www.example.org -d other.example", "includes www.example.org and mail.example.org, but none of the given names"),
    ])
    func otherNamesAreNotDroppedWithoutAWord(names: String, message: String) async throws {
        let session = try await session()
        let refused = try await session.run("\(Self.issue) \(names)")
        #expect(refused.status == 64 && refused.error.contains(message), "\(refused)")
        #expect(refused.error.contains("hint: --expand") && refused.error.contains("--replace-names"), "\(refused)")
        let json = try await session.run("\(Self.issue) \(names) --json")
        #expect(json.output.contains(#""code":"other-names""#), "\(json)")
        let replaced = try await session.run("\(Self.issue) \(names) --replace-names")
        #expect(replaced.status == 3, "\(replaced)")
        let expanded = try await session.run("\(Self.issue) \(names) --expand")
        // Adding a subset of the names changes nothing.
        #expect(expanded.status == (names == "-d www.example.org" ? 0 : 3), "\(expanded)")
    }

    @Test func aTerminalIsAsked() async throws {
        let session = try await session()
        for (answer, end) in [("\n", "nothing was changed"), ("replace\n", "agent.sock"), ("add\n", "nothing was ordered (--force")] {
            let outcome = try await session.runOnTerminal("\(Self.issue) -d www.example.org", input: answer)
            #expect(outcome.output.contains("[add/replace/N]") && outcome.output.contains(end), "\(outcome)")
        }
    }

    @Test func namesOfAnOrderThatWasCutOffWereGivenOnce() async throws {
        let session = try await session()
        let stored = try #require(try await session.store.certificate(named: try CertificateName("www.example.org")))
        try await session.store.write(
            OrderJournal(
                name: stored.name, directory: try #require(stored.metadata.directory),
                identifiers: [try Identifier(argument: "www.example.org")],
                accountKey: "account", started: CommandLineSession.now, steps: [.intentKey(name: "www", isNew: false)]))
        let again = try await session.run("\(Self.issue) -d www.example.org")
        #expect(again.status == 3, "\(again)")
        let before = try await session.run("\(Self.issue) -d www.example.org,mail.example.org")
        #expect(before.status == 0 && before.error.contains("forget --order www.example.org"), "\(before)")
    }

    // MARK: Settings

    @Test func settingsThatAreNotGivenAgainStay() async throws {
        let session = try await session()
        let issue = "\(Self.issue) -d www.example.org,mail.example.org"
        let file = "state/settings/www.example.org.json"
        let outcome = try await session.run(
            """
            printf '#!/bin/sh\\n' >hook; chmod +x hook; mkdir web
            \(issue) --deploy-hook ./hook --webroot web && cat \(file) && \(issue) && cat \(file) && \(issue) --webroot web/ && cat \(file)
            """)
        let texts = outcome.output.split(separator: "\n").filter { $0.hasPrefix("{") }
        #expect(outcome.status == 0 && texts.count == 3, "\(outcome)")
        #expect(texts.allSatisfy { $0.contains("/hook\"") && $0.contains("/web") }, "\(outcome)")
        #expect(outcome.error.contains("the new settings take effect at its next renewal"), "\(outcome)")
        let reset = try await session.run("\(issue) --reset-settings --webroot web && cat \(file)")
        #expect(reset.status == 0 && !reset.output.contains("deployHooks") && reset.output.contains("/web"), "\(reset)")
        let damaged = try await session.run("echo x >\(file); \(issue) --webroot web && cat \(file)")
        #expect(damaged.status == 0 && damaged.error.contains("warning:") && damaged.output.contains("/web"), "\(damaged)")
    }

    @Test func mustStapleIsRemembered() async throws {
        let session = try await session()
        var settings = CertificateSettings()
        settings.mustStaple = true
        let memory = RememberedSettings(stateDirectory: session.folder.file("state")), name = try CertificateName("www.example.org")
        try memory.remember(settings, for: name)
        #expect(try memory.read(name).mustStaple == true)
        let stored = try #require(try await session.store.certificate(named: name))
        #expect(try Renew.request(name, stored, nil, keyAlgorithm: .p256, mustStaple: true)?.0.mustStaple == true)
        #expect(try Renew.request(name, stored, nil, keyAlgorithm: .p256)?.0.mustStaple == false)
        // Repeated or omitted: the same certificate.
        let names = "-d www.example.org,mail.example.org"
        let same = try await session.run("\(Self.issue) \(names) --must-staple && \(Self.issue) \(names)")
        #expect(same.status == 0, "\(same)")
    }

    // MARK: Files

    @Test(arguments: [
        ("--deploy-hook ./none", 78, "none could not be started: No such file"),
        ("--deploy-hook ./file", 78, "file could not be started: Permission denied"),
        ("--deploy-hook .", 78, "could not be started: Is a directory"),
        ("--timings none/t.json", 64, "\"none/t.json\" cannot be written: No such file"),
        ("--timings .", 64, "\".\" cannot be written: Is a directory"),
        ("--dns-wait 5", 64, "--dns-wait has no effect without a DNS hook"),
    ])
    func whatCannotBeUsedIsRefusedBeforeAnybodyIsAsked(option: String, status: Int32, message: String) async throws {
        let session = try CommandLineSession()
        try session.folder.write("file", "")
        let outcome = try await session.run("\(Self.issue) -d www.example.org \(option)")
        #expect(outcome.status == status && outcome.error.contains(message) && outcome.error.contains("hint:"), "\(outcome)")
        #expect(!outcome.error.contains("agent.sock"), "\(outcome)")
    }
}
