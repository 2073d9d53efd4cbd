import ACME
import CertificateStore
import Issuance
import JOSE
import TestSupport
import Testing

@testable import acme_agent

/// What `renew` and its timer work on.
@Suite struct RenewalChoiceTests {
    private func journal(_ steps: [JournalStep]) throws -> OrderJournal {
        OrderJournal(
            name: try CertificateName("www.example.org"), directory: try ACMEURL("https://ca.example/dir"),
            identifiers: [try Identifier(argument: "www.example.org")], accountKey: "account", started: 0, steps: steps)
    }

    @Test func aTimerResumesWhatWasCutOffAndLeavesWhatFailed() throws {
        let cutOff = try journal([.intentKey(name: "www", isNew: true)])
        let failed = try journal([.intentKey(name: "www", isNew: true), .finalized, .failed])
        for force in [false, true] {
            #expect(Renew.isToDo(nil, cutOff, isNamed: false, force: force, now: 0))
            #expect(Renew.isToDo(nil, cutOff, isNamed: true, force: force, now: 0))
            #expect(!Renew.isToDo(nil, failed, isNamed: false, force: force, now: 0))
            #expect(Renew.isToDo(nil, failed, isNamed: true, force: force, now: 0))
        }
    }

    /// A failed order is not resumed, but its certificate would expire: while it is due, each run orders it anew.
    @Test func aTimerOrdersAFailedRenewalAnew() async throws {
        let session = try CommandLineSession()
        let failed = try journal([.intentKey(name: "www", isNew: true), .finalized, .failed])
        let due = try await session.install("www.example.org", age: 70, days: 90)
        let early = try await session.install("mail.example.org", age: 1, days: 90)
        for journal in [failed, nil] {
            #expect(Renew.isToDo(due, journal, isNamed: false, force: false, now: CommandLineSession.now))
            #expect(!Renew.isToDo(early, journal, isNamed: false, force: false, now: CommandLineSession.now))
        }
        let request = try #require(try Renew.request(due.name, due, failed, keyAlgorithm: .p384)).0
        #expect(request.identifiers == due.metadata.identifiers && request.key == nil)
    }

    @Test func anInterruptedOrderIsForItsOwnNamesAndKey() async throws {
        let session = try CommandLineSession()
        let stored = try await session.install("www.example.org", age: 1)
        var journal = try journal([.intentKey(name: "other", isNew: false)])
        journal.identifiers.append(try Identifier(argument: "more.example.org"))
        func request(_ stored: StoredCertificate?, started: Int64) throws -> IssuanceRequest {
            journal.started = started
            let found = try Renew.request(journal.name, stored, journal, keyAlgorithm: .p384)
            return try #require(found).0
        }
        // A first order, and one that would replace a certificate by one for more names.
        for request in [try request(nil, started: 0), try request(stored, started: CommandLineSession.now)] {
            #expect(request.identifiers == journal.identifiers && request.key == "other" && request.keyAlgorithm == .p384)
        }
        // The certificate came from this order, or another request replaced it.
        #expect(try request(stored, started: stored.metadata.installed).identifiers == stored.metadata.identifiers)
        journal.append(.failed)
        #expect(try request(stored, started: CommandLineSession.now).identifiers == stored.metadata.identifiers)
        #expect(try Renew.request(journal.name, nil, nil, keyAlgorithm: .p256) == nil)
    }

    // MARK: Options

    @Test(arguments: [
        ("--new-key", "--new-key"), ("--webroot web --profile short", "--webroot and --profile"), ("--old-key delete", "--old-key"),
        ("--timings t.json", "--timings"), ("--deploy-hook ./hook", "--deploy-hook"), ("--key-type P-384", "--key-type"),
    ])
    func anOptionThatHadNoEffectIsNamed(options: String, named: String) async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let one = try await session.run("acme-agent renew www.example.org \(options) --quiet")
        #expect(one.status == 0 && one.error.contains("warning: \(named) had no effect: www.example.org was not renewed"), "\(one)")
        #expect(one.error.contains("hint: acme-agent renew NAME --force"), "\(one)")
        let all = try await session.run("acme-agent renew --all \(options)")
        // No agent listens: that is told by a status of its own.
        #expect(all.status == 3 && all.error.contains("\(named) had no effect: nothing is due"), "\(all)")
        let quiet = try await session.run("acme-agent renew --all \(options) --quiet")
        #expect(quiet.status == 3 && !quiet.error.contains("had no effect"), "\(quiet)")
    }

    @Test func issueNamesWhatItDoesNotRemember() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let outcome = try await session.run(
            "acme-agent issue -d www.example.org --directory https://ca.example/directory --old-key keep --timings t.json")
        #expect(outcome.status == 0 && outcome.error.contains("--old-key and --timings had no effect"), "\(outcome)")
    }

    @Test func aStagingEnvironmentReplacesNothingUnasked() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org", age: 80)
        for what in ["--all", "www.example.org"] {
            let outcome = try await session.run("acme-agent renew \(what) --ca letsencrypt --staging")
            #expect(outcome.status == 64, "\(outcome)")
            #expect(outcome.error.contains("would replace www.example.org by certificates that nobody"), "\(outcome)")
            #expect(outcome.error.contains("hint: acme-agent issue --ca letsencrypt --staging --name test -d www"), "\(outcome)")
        }
        // Nothing is there that could be replaced.
        let none = try await session.run("acme-agent forget www.example.org --yes; acme-agent renew --all --ca letsencrypt --staging")
        #expect(none.status == 0, "\(none)")
    }

    // MARK: The CA's own certificate

    @Test func theCACertificateOfAnIssueIsRemembered() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let issued = try await session.run(
            """
            mkdir roots; : >roots/ca.pem; cd roots
            acme-agent issue -d www.example.org --directory https://ca.example/directory --ca-certificate ca.pem
            """)
        #expect(issued.status == 0 && issued.error.contains("the new settings take effect"), "\(issued)")
        let memory = RememberedSettings(stateDirectory: session.folder.file("state"))
        let settings = try memory.read(try CertificateName("www.example.org"))
        #expect(settings.caCertificate?.file == session.folder.file("roots/ca.pem"))
        #expect(settings.caCertificate?.directory.text == "https://ca.example/directory")
    }

    @Test func theRememberedCACertificateIsForItsOwnCA() throws {
        var options = GlobalOptions.unset
        options.stateDirectory = "/state"
        let settings = try Settings(options, environment: Environment(), configured: SettingsFile(), file: nil)
        let own = try ACMEURL("https://ca.example/dir"), other = try ACMEURL("https://other.example/dir")
        let remembered = CertificateSettings.CACertificate(directory: own, file: "/ca.pem")
        #expect(settings.trustRoots(for: own, remembered: remembered) == .file("/ca.pem"))
        #expect(settings.trustRoots(for: other, remembered: remembered) == .system)
        options.caCertificate = "/given.pem"
        let given = try Settings(options, environment: Environment(), configured: SettingsFile(), file: nil)
        #expect(given.trustRoots(for: own, remembered: remembered) == .file("/given.pem"))
    }

    @Test func aFailedOrderIsListedLeftAloneByATimerAndDroppedAlone() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        var failed = try journal([.intentKey(name: "www-2", isNew: true), .finalized, .failed])
        try await session.store.write(failed)
        failed.name = try CertificateName("new.example.org")
        try await session.store.write(failed)
        let list = try await session.run("acme-agent list")
        #expect(list.output.contains("new.example.org") && list.output.contains("failed"), "\(list)")
        #expect(list.error.contains("failed: new.example.org") && list.error.contains("forget --order"), "\(list)")
        // No agent listens, which is told; nothing is tried, which would fail.
        let renewed = try await session.run("acme-agent renew --all --json --quiet")
        #expect(renewed.status == 3 && renewed.output.contains(#""failed":[],"warnings":[{"code":"agent-unreachable""#), "\(renewed)")
        for name in ["www.example.org", "new.example.org"] {
            let forgotten = try await session.run("acme-agent forget --order --yes \(name)")
            #expect(forgotten.status == 0 && forgotten.output.contains("www-2"), "\(forgotten)")
        }
        #expect(try await session.store.journalNames().isEmpty)
        #expect(try await session.store.certificateNames().count == 1)
        let again = try await session.run("acme-agent forget --order --yes www.example.org")
        #expect(again.status == 1 && again.error.contains("no interrupted or failed order"), "\(again)")
    }

    @Test func whatAFailedOrderLeftIsNotCompleted() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        await session.store.prepare(try CertificateName("failed.example.org"))
        let folder = session.folder.file("state")
        let completed = CertificateNameCompletion.names(["--state-directory", folder], 0, "")
        #expect(completed == ["www.example.org"])
        await session.store.withdraw(try CertificateName("failed.example.org"))
        await session.store.withdraw(try CertificateName("www.example.org"))
        #expect(try await session.run("ls state/certificates").output == "www.example.org\n")
        #expect(try await session.store.certificate(named: try CertificateName("www.example.org")) != nil)
    }
}
