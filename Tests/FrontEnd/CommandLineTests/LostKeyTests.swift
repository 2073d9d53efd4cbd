import ACME
import CertificateStore
import Foundation
import Issuance
import JOSE
import TestSupport
import Testing

@testable import acme_agent

/// Certificates whose key is compromised or retired. No agent listens: that is an error where something would have been
/// ordered or revoked, and otherwise at most a warning.
@Suite struct LostKeyTests {
    private func compromise(_ certificate: StoredCertificate, _ session: CommandLineSession) async throws {
        try await session.store.markCompromised(CompromisedKey(key: certificate.metadata.key, reported: CommandLineSession.now))
    }

    @Test func aTimerReplacesACompromisedKey() async throws {
        let session = try CommandLineSession()
        try await session.install("good.example.org")
        let good = try await session.run("acme-agent renew --all")
        #expect(good.output.contains("good.example.org: not due until") && !good.error.contains("error:"), "\(good)")
        try await compromise(try await session.install("www.example.org"), session)
        for command in ["renew --all", "renew www.example.org", "issue -d www.example.org --directory https://ca.example/directory"] {
            let outcome = try await session.run("acme-agent \(command)")
            #expect(outcome.status == 3 && outcome.error.contains("error: the agent's socket"), "\(outcome)")
            guard command.hasPrefix("renew") else { continue }
            #expect(outcome.error.contains("its key \"www.example.org\" is compromised; it gets a new one"), "\(outcome)")
        }
    }

    @Test func whatItsUserRevokedIsLeftAlone() async throws {
        let session = try CommandLineSession()
        let certificate = try await session.install("www.example.org")
        try await compromise(certificate, session)
        try await session.store.markRevoked(certificate.name, generation: 1)
        for command in ["renew --all", "renew www.example.org", "list --check"] {
            let outcome = try await session.run("acme-agent \(command)")
            #expect(outcome.status == 0, "\(outcome)")
        }
    }

    @Test func whatIsRetiredIsDue() async throws {
        let session = try CommandLineSession()
        let stored = try await session.install("www.example.org"), now = CommandLineSession.now
        for isNamed in [true, false] {
            #expect(Renew.isToDo(stored, nil, isNamed: isNamed, force: false, isKeyLost: true, now: now))
            #expect(!Renew.isToDo(stored, nil, isNamed: isNamed, force: false, isKeyLost: false, now: now))
        }
        var revoked = stored
        revoked.revokedGeneration = 1
        for force in [true, false] { #expect(!Renew.isToDo(revoked, nil, isNamed: false, force: force, isKeyLost: true, now: now)) }
    }

    @Test func aCompromisedKeyIsListed() async throws {
        let session = try CommandLineSession()
        try await compromise(try await session.install("www.example.org"), session)
        let list = try await session.run("acme-agent list --check")
        #expect(list.status == 6 && list.output.contains("  key compromised  "), "\(list)")
        #expect(list.error.contains("acme-agent revoke www.example.org --reason keyCompromise"), "\(list)")
        let json = try await session.run("acme-agent list --json")
        #expect(json.output.contains(#""concern":"key-compromised""#), "\(json)")
    }

    @Test func otherCertificatesWithTheKeyAreNamed() async throws {
        let session = try CommandLineSession()
        let key = SoftwareKey()
        for name in ["www.example.org", "mail.example.org"] { try await session.install(name, key: key) }
        let revoked = try await session.install("old.example.org", key: key)
        try await session.store.markRevoked(revoked.name, generation: 1)
        try await session.install("other.example.org")
        let one = try await session.run("acme-agent revoke www.example.org --reason keyCompromise")
        #expect(one.error.contains("warning: mail.example.org has the same key"), "\(one)")
        #expect(one.error.contains("hint: acme-agent revoke mail.example.org --reason keyCompromise\n"), "\(one)")
        try await session.install("imap.example.org", key: key)
        let two = try await session.run("acme-agent revoke www.example.org --reason 1")
        #expect(two.error.contains("warning: imap.example.org and mail.example.org have the same key"), "\(two)")
        let none = try await session.run("acme-agent revoke www.example.org --reason superseded")
        #expect(!none.error.contains("same key"), "\(none)")
    }
}
