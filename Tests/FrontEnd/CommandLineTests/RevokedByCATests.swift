import ACME
import CertificateStore
import Crypto
import Foundation
import Issuance
import JOSE
import TestSupport
import Testing

@testable import acme_agent

/// What the commands do with a certificate that its CA's revocation list has.
@Suite struct RevokedByCATests {
    /// Installs a certificate that names the server's list.
    private func install(
        _ session: CommandLineSession, _ ca: RevokingCA, _ server: ListServer, _ name: String = "www.example.org", serial: [UInt8]
    ) async throws -> StoredCertificate {
        let key = P256.Signing.PrivateKey().publicKey
        let chain = try ca.chain(serial: serial, points: [[server.url("/list")]], names: [name], subject: key)
        return try await session.store.install(
            NewCertificate(
                name: try CertificateName(name), pem: RevokingCA.pem(chain), key: try KeyName(name), spki: Array(key.derRepresentation),
                identifiers: [try Identifier(argument: name)], directory: try ACMEURL("https://127.0.0.1:1/dir"),
                time: CommandLineSession.now, isDeployed: true))
    }

    private func list(_ ca: RevokingCA, _ entries: [([UInt8], UInt8?)]) throws -> [UInt8] {
        let now = CommandLineSession.now
        var list = RevokingCA.List()
        (list.thisUpdate, list.nextUpdate) = (now - 60, now + 86_400)
        list.entries = entries.map { .init($0, date: now - 7_200, reason: $1) }
        return try ca.list(list)
    }

    @Test func itIsShownAndReplaced() async throws {
        let session = try CommandLineSession(), server = try await ListServer(), ca = RevokingCA(now: CommandLineSession.now)
        let stored = try await install(session, ca, server, serial: [0x41])
        _ = try await install(session, ca, server, "other.example.org", serial: [0x42])
        _ = try await install(session, ca, server, "own.example.org", serial: [0x43])
        try await session.store.markRevoked(try CertificateName("own.example.org"), generation: 1)
        server.answer("/list", .list(try list(ca, [([0x41], 1), ([0x43], 4)])))
        // No agent listens: the replacement fails, and is the only thing that is tried.
        let renewal = try await session.run("acme-agent renew --all")
        #expect(renewal.error.contains("www.example.org: its CA revoked it 2 h ago (keyCompromise); it is replaced"), "\(renewal)")
        #expect(renewal.output.contains("other.example.org: not due until") && renewal.error.contains("agent.sock"), "\(renewal)")
        #expect(!renewal.error.contains("own.example.org"), "what its user revoked is left alone: \(renewal)")
        #expect(try await session.store.isCompromised(stored.metadata.key.fingerprint))
        #expect(server.log == ["/list"], "one list for both")
        let shown = try await session.run(
            "acme-agent list --check; echo $?; acme-agent show www.example.org; acme-agent show www.example.org --json")
        #expect(shown.output.contains("revoked by CA") && shown.output.contains("\n6\n"), "\(shown)")
        #expect(shown.output.contains("revoked by its CA; its CA revoked it 2 h ago (keyCompromise)"), "\(shown)")
        #expect(shown.output.contains(#""state":"revoked-by-ca","concern":"revoked-by-ca""#), "\(shown)")
        #expect(shown.output.contains(#""reason":"keyCompromise"}"#), "\(shown)")
        // A person's renewal and an issue replace it too: they go as far as the agent.
        for command in ["renew www.example.org", "issue -d www.example.org --directory https://127.0.0.1:1/dir"] {
            let outcome = try await session.run("acme-agent \(command)")
            #expect(outcome.status != 0 && outcome.error.contains("agent.sock"), "\(outcome)")
        }
        await server.stop()
    }

    /// A company's CA may have its lists in a directory service: nobody looks there, and that is no secret.
    @Test(arguments: [
        (["ldap://ldap.example/cn=CA"], "(ldap://ldap.example/cn=CA)"), ([], nil), (["ldap://x", "http://127.0.0.1:1/list"], nil),
    ])
    func whatNobodyLooksAtIsSaid(urls: [String], place: String?) async throws {
        let session = try CommandLineSession(), ca = RevokingCA(now: CommandLineSession.now)
        let key = P256.Signing.PrivateKey().publicKey, name = "www.example.org"
        let chain = try ca.chain(serial: [0x41], points: urls.isEmpty ? nil : [urls], names: [name], subject: key)
        let stored = try await session.store.install(
            NewCertificate(
                name: try CertificateName(name), pem: RevokingCA.pem(chain), key: try KeyName(name), spki: Array(key.derRepresentation),
                identifiers: [try Identifier(argument: name)], directory: try ACMEURL("https://127.0.0.1:1/dir"),
                time: CommandLineSession.now, isDeployed: true))
        let shown = try await session.run("acme-agent show www.example.org; acme-agent show www.example.org --json")
        #expect(
            shown.output.contains("revocation:") == (place != nil) && shown.output.contains("\"revocationUnlooked\":") == (place != nil),
            "\(shown)")
        if let place { #expect(shown.output.contains("is at an http or https URL \(place)"), "\(shown)") }
        var contents = try await StoreContents(try self.session(session))
        #expect(contents.unlooked(true).contains("not looked at") == (place != nil) && contents.unlooked(false).isEmpty)
        // That is no reason for attention every day.
        #expect(contents.attention().isEmpty)
        var imported = stored
        imported.metadata.directory = nil
        contents.reports = [CertificateReport(imported)]
        #expect(contents.unlooked(true).hasSuffix(": www.example.org"))
    }

    private func session(_ session: CommandLineSession) throws -> Session {
        let options = try GlobalOptions.parse(["--config", session.folder.file("acme-agent.toml")])
        return Session(settings: try Settings(options, environment: Environment()), output: Output(options))
    }

    @Test func aListThatDoesNotCountIsSaidVerboselyAndAfterDays() async throws {
        let session = try CommandLineSession(), server = try await ListServer(), ca = RevokingCA(now: CommandLineSession.now)
        let stored = try await install(session, ca, server, serial: [0x41])
        server.answer("/list", .list(Array("<html>not today</html>".utf8)))
        let quiet = try await session.run("acme-agent renew --all")
        #expect(quiet.output.contains("not due until") && !quiet.error.contains("error:"), "\(quiet)")
        #expect(!quiet.error.contains("revocation list"), "\(quiet)")
        var record = try await session.store.renewalRecord(named: stored.name)
        #expect(record.listFailures?.count == 1 && record.revocation == nil)
        record.nextListLook = nil
        try await session.store.write(record)
        let verbose = try await session.run("acme-agent renew --all --verbose")
        #expect(verbose.error.contains("its revocation list says nothing: \(server.url("/list")): it is no revocation list"), "\(verbose)")
        #expect(try await session.run("acme-agent list --check").status == 0)
        record = try await session.store.renewalRecord(named: stored.name)
        #expect(record.listFailures?.count == 2)
        record.listFailures?.first -= 4 * 86_400
        try await session.store.write(record)
        let late = try await session.run("acme-agent list --check; echo $?; acme-agent show www.example.org")
        #expect(late.output.contains("\n6\n"), "\(late)")
        #expect(late.output.contains("whether its CA has revoked it is not known since 4 days ago"), "\(late)")
        await server.stop()
    }

    /// The first time there may have been no room for it.
    @Test func aCompromisedKeyIsRememberedBeforeEachAttempt() async throws {
        let session = try CommandLineSession(), now = CommandLineSession.now
        for (reason, isCompromised) in [(RevocationReason.keyCompromise, true), (.superseded, false)] {
            let stored = try await session.install("r\(reason.rawValue).example.org")
            var record = RenewalRecord(name: stored.name)
            record.serial = stored.metadata.serial
            record.revocation = RenewalRecord.Revocation(date: now - 60, reason: reason)
            (record.nextLook, record.nextListLook) = (now + 3_600, now + 3_600)
            try await session.store.write(record)
            for command in ["renew --all", "renew \(stored.name)"] {
                // No agent listens.
                let outcome = try await session.run("acme-agent \(command)")
                #expect(outcome.status == 3 && outcome.error.contains("error: the agent's socket"), "\(outcome)")
                #expect(try await session.store.isCompromised(stored.metadata.key.fingerprint) == isCompromised, "\(command)")
            }
            // If it still cannot be remembered, the order is for another key all the same.
            var request = try IssuanceFlow.renewalRequest(for: stored)
            request.heed(record, now: now)
            #expect(request.newKey == isCompromised && request.mayExpireEarlier)
            request.newKey = false
            request.key = "another"
            request.heed(record, now: now)
            #expect(!request.newKey, "the interrupted order's own key")
        }
    }

    @Test func theListsCanBeLeftAlone() async throws {
        let session = try CommandLineSession(), server = try await ListServer(), ca = RevokingCA(now: CommandLineSession.now)
        _ = try await install(session, ca, server, serial: [0x41])
        server.answer("/list", .list(try list(ca, [([0x41], nil)])))
        let outcome = try await session.run("echo 'check-revocation-lists = false' >>acme-agent.toml; acme-agent renew --all")
        #expect(outcome.output.contains("not due until") && !outcome.error.contains("error:") && server.log.isEmpty, "\(outcome)")
        await server.stop()
    }
}
