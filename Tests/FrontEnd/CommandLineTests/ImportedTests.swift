import ACME
import CertificateStore
import Foundation
import StrictJSON
import TestSupport
import Testing

@testable import acme_agent

/// Certificates that no ACME CA renews, as the commands show them. No agent listens: nothing here may need one.
@Suite struct ImportedTests {
    private func session(age: Int64) async throws -> CommandLineSession {
        let session = try CommandLineSession()
        let key = SoftwareKey(), name = try Identifier(argument: "intranet.example.org"), issued = CommandLineSession.now - age * 86_400
        _ = try await session.store.install(
            NewCertificate(
                name: CertificateName(name), pem: try FakeAuthority().issue(csr: key.certificateRequest([name]), now: issued),
                key: "intranet", spki: key.publicKey.spki, identifiers: [name], directory: nil, time: issued, isDeployed: true))
        return session
    }

    @Test func theyAreNeverOrdered() async throws {
        let session = try await session(age: 10)
        let quiet = try await session.run("acme-agent renew --all")
        #expect(quiet.status == 0 && quiet.output.hasPrefix("intranet.example.org: not due until "), "\(quiet)")
        let named = try await session.run("acme-agent renew intranet.example.org --force")
        #expect(
            named.status == 64 && named.error.contains("error: intranet.example.org: no ACME CA renews intranet.example.org"), "\(named)")
        #expect(named.error.contains("hint: acme-agent csr intranet.example.org makes a request for its CA"), "\(named)")
        let revoked = try await session.run("acme-agent revoke intranet.example.org --yes")
        #expect(revoked.status == 64 && revoked.error.contains("ask its CA to revoke the serial number"), "\(revoked)")
        let listed = try await session.run("acme-agent list --check")
        #expect(listed.status == 0 && listed.output.contains(" valid "), "\(listed)")
        let shown = try await session.run("acme-agent show intranet.example.org; acme-agent show intranet.example.org --json")
        #expect(shown.output.contains("imported; renewed by no ACME CA") && !shown.output.contains("\"directory\""), "\(shown)")
    }

    @Test func aRequestIsDueInTime() async throws {
        let session = try await session(age: 70)
        let due = try await session.run("acme-agent renew --all")
        #expect(due.status == 6 && due.output == "", "\(due)")
        #expect(
            due.error.contains("warning: intranet.example.org: expires in 19 days") && due.error.contains("acme-agent csr intranet"),
            "\(due)")
        let json = try await session.run("acme-agent renew --all --json --quiet")
        #expect(json.status == 6 && json.output.contains("\"notDue\":[],\"toRequest\":[{\"name\":\"intranet.example.org\""), "\(json)")
        let listed = try await session.run("acme-agent list --check")
        #expect(listed.status == 6 && listed.output.contains(" request due "), "\(listed)")
        let expired = try await self.session(age: 100).run("acme-agent renew --all; acme-agent list")
        #expect(expired.error.contains("expires ") && expired.output.contains(" expired "), "\(expired)")
    }

    @Test func whatIsAwaitedIsShownAndForgotten() async throws {
        let session = try await session(age: 10), name = try CertificateName("mail")
        func request(_ age: Int64) async throws {
            try await session.store.write(
                AwaitedCertificate(
                    name: name, identifiers: [try Identifier(argument: "mail.example.org")], key: "mail",
                    requested: CommandLineSession.now - age * 86_400))
        }
        try await request(1)
        let listed = try await session.run("acme-agent list --check")
        #expect(listed.status == 0 && listed.output.contains("mail ") && listed.output.contains(" awaited "), "\(listed)")
        #expect(listed.error.contains("awaited: mail\n"), "\(listed)")
        let json = try await session.run("acme-agent list --json --quiet")
        #expect(
            json.output.contains("\"awaited\":[{\"name\":\"mail\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"mail.example.org\"}]"),
            "\(json)")
        try await request(20)
        #expect(try await session.run("acme-agent list --check").status == 6)
        let forgotten = try await session.run("acme-agent forget mail --yes && acme-agent list")
        #expect(forgotten.status == 0 && forgotten.output.contains("still in the token: mail") && !forgotten.output.contains(" awaited "))
        #expect(try FileManager.default.contentsOfDirectory(atPath: session.folder.file("state/awaited")).isEmpty)
        try await request(1)
        try Data("{".utf8).write(to: URL(fileURLWithPath: session.folder.file("state/awaited/mail.json")))
        let damaged = try await session.run("acme-agent list; acme-agent forget mail --order --yes")
        #expect(damaged.error.contains("awaited/mail.json") && damaged.output.contains("forgot the request for mail"), "\(damaged)")
    }

    /// The order alone goes, and is named; a request may have been sent to its CA long ago.
    @Test func anOrderGoesBeforeARequest() async throws {
        let session = try await session(age: 10), name = try CertificateName("intranet.example.org")
        let identifiers = [try Identifier(argument: "intranet.example.org")]
        try await session.store.write(AwaitedCertificate(name: name, identifiers: identifiers, key: "next", requested: 0))
        let journal = OrderJournal(
            name: name, directory: try ACMEURL("https://ca.example/directory"), identifiers: identifiers, accountKey: "account",
            started: CommandLineSession.now,
            steps: [.orderCreated(try ACMEURL("https://ca.example/order/1"))])
        try await session.store.write(journal)
        let order = try await session.run("acme-agent forget intranet.example.org --order --yes")
        #expect(order.status == 0 && order.output.hasPrefix("forgot the order for intranet.example.org"), "\(order)")
        #expect(try await session.store.awaited(named: name) != nil)
        #expect(try await session.store.journal(named: name) == nil)
        let request = try await session.run("acme-agent forget intranet.example.org --order --yes")
        #expect(request.output.hasPrefix("forgot the request for intranet.example.org; still in the token: next"), "\(request)")
        #expect(try await session.store.awaited(named: name) == nil)
        #expect(try await session.store.certificate(named: name) != nil)
        try await session.store.write(AwaitedCertificate(name: name, identifiers: identifiers, key: "next", requested: 0))
        let all = try await session.run("acme-agent forget intranet.example.org </dev/null")
        #expect(all.status != 0 && all.error.contains("with the request"), "\(all)")
    }

    /// Nothing was deployed: the hooks are run again, for which the agent is asked.
    @Test func hooksThatFailedAreNotForgotten() async throws {
        let session = try CommandLineSession()
        let key = SoftwareKey(), name = try Identifier(argument: "intranet.example.org"), issued = CommandLineSession.now - 86_400
        _ = try await session.store.install(
            NewCertificate(
                name: CertificateName(name), pem: try FakeAuthority().issue(csr: key.certificateRequest([name]), now: issued),
                key: "intranet", spki: key.publicKey.spki, identifiers: [name], directory: nil, time: issued))
        for command in ["renew --all", "renew intranet.example.org"] {
            let outcome = try await session.run("acme-agent \(command)")
            #expect(outcome.status == 3 && !outcome.output.contains("not due"), "\(outcome)")
        }
    }

    /// No key is made for a request that cannot be written.
    @Test func whereTheRequestGoesIsLookedAtFirst() async throws {
        let session = try CommandLineSession()
        let outcome = try await session.run("acme-agent csr x -d x.example.org --out gone/csr.pem")
        #expect(outcome.status == 1 && outcome.error.contains("\"gone/csr.pem\" cannot be written"), "\(outcome)")
        #expect(try await session.store.awaitedNames().isEmpty)
    }

    @Test func optionsThatHaveNoEffectAreRefused() async throws {
        let session = try CommandLineSession()
        for (options, message) in [
            ("--webroot /tmp", "--webroot has no effect here"), ("--acme --new-key", "--new-key has no effect here"),
            ("--ca zerossl", "without --acme no CA renews the certificate"), ("", "it is empty"),
        ] {
            let outcome = try await session.run("acme-agent import x /dev/null \(options)")
            #expect(
                outcome.status != 0 && outcome.error.contains(message) || options.isEmpty && outcome.status != 0, "\(options): \(outcome)")
        }
        let text = try await session.run("echo text | acme-agent import x")
        #expect(text.status == 4 && text.error.contains("the file is refused: it is neither PEM nor DER"), "\(text)")
    }

    /// What a CA says of itself reaches the terminal only as text.
    @Test func aCAIsShownSafely() throws {
        let json = """
            {"newNonce": "https://ca.example/n", "newAccount": "https://ca.example/a", "newOrder": "https://ca.example/o",
             "renewalInfo": "https://ca.example/r",
             "meta": {"website": "https://ca.example/\\u001b[31m", "externalAccountRequired": true, "caaIdentities": ["ca.example"],
                      "issuerDomainNames": ["ca.example"], "profiles": {"short": "six days\\u0007", "plain": ""}}}
            """
        let directory = try Directory(json: JSONDocument(parsing: Array(json.utf8)).root)
        let ca = ResolvedCA(name: nil, directory: try ACMEURL("https://ca.example/dir"), settings: CASettings())
        let text = CAShow.text(directory, CAList.Entry(ca: ca, account: .none, isDefault: true)).text
        let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        for line in [
            "external account: needed (--eab)", "renewal windows: yes (RFC 9773)", "lacks: revocation account rollover",
            "profiles: plain short: six days\u{FFFD}", "name in dns-persist-01: ca.example",
        ] {
            #expect(words.contains(line), "\(text)")
        }
        #expect(!text.contains("\u{1B}"))
    }
}
