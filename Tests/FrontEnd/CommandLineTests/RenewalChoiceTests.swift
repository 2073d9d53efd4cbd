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
        // No agent listens: it is not even contacted.
        let renewed = try await session.run("acme-agent renew --all")
        #expect(renewed.status == 0, "\(renewed)")
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
