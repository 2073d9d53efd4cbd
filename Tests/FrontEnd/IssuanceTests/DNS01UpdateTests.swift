import ACME
import CertificateStore
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import DNS
@testable import Issuance

/// dns-01 by updates of real servers.
@Suite(.enabled(if: !DNSServersFixture.Software.installed.isEmpty, "bind9 or knot is installed"), .serialized)
struct DNS01UpdateTests {
    private final class Events: Sendable {
        let waits = Mutex<[String]>([])
        let warnings = Mutex<[String]>([])
        func observe(_ event: IssuanceEvent) {
            if case .waiting(_, let reason) = event { waits.withLock { $0.append(reason) } }
            if case .warning(let text) = event { warnings.withLock { $0.append(text) } }
        }
    }

    private func solver(
        _ servers: DNSServersFixture, server: String = DNSUpdateSettings.automatic, wait: Duration = .seconds(20), events: Events = Events()
    ) throws -> DNS01Update {
        DNS01Update(
            try DNSUpdateSettings(server: server, keyFile: servers.keyFile, resolver: "\(servers.primary)"), longestWait: wait,
            port: servers.port, observer: { events.observe($0) })
    }

    private func values(_ servers: DNSServersFixture, _ name: String = "_acme-challenge.www.example.org") async throws -> Set<String> {
        Set(try await servers.lookup.texts(of: try DomainName(name)).map { String(decoding: $0, as: UTF8.self) })
    }

    @Test(arguments: DNSServersFixture.Software.installedWithSecondary)
    func aWildcardAndItsBaseShareARecordThatEveryServerShows(software: DNSServersFixture.Software) async throws {
        let servers = try await DNSServersFixture(software, withSecondary: true)
        let events = Events()
        let solver = try solver(servers, events: events)
        let base = try solver.answer("www.example.org", token: "YmFzZQ"), wildcard = try solver.answer("*.www.example.org", token: "d2lsZA")
        #expect(base.target == wildcard.target && base.target == "_acme-challenge.www.example.org")
        try solver.check()
        for answer in [base, wildcard] { try await solver.present(answer) }
        try await solver.waitUntilVisible(base)
        try await solver.waitUntilVisible(wildcard)
        let secondary = DNSServer(try IPAddress("127.0.0.2"), port: servers.port)
        for answer in [base, wildcard] {
            let value = Array(answer.keyAuthorization.dns01Value.utf8)
            #expect(try await servers.lookup.look(for: value, at: try DomainName(answer.target), on: secondary) == .shown)
        }
        #expect(try await values(servers) == [base.keyAuthorization.dns01Value, wildcard.keyAuthorization.dns01Value])
        try await solver.cleanUp(base)
        #expect(try await values(servers) == [wildcard.keyAuthorization.dns01Value])
        try await solver.cleanUp(wildcard)
        try await solver.cleanUp(wildcard)
        #expect(try await values(servers).isEmpty)
        servers.stop()
    }

    @Test(arguments: DNSServersFixture.Software.installedWithSecondary)
    func aServerThatDoesNotAnswerIsWarnedOf(software: DNSServersFixture.Software) async throws {
        let servers = try await DNSServersFixture(software, withSecondary: true)
        let events = Events()
        let settings = try DNSUpdateSettings(server: "auto", keyFile: servers.keyFile, resolver: "\(servers.primary)")
        let client = DNSClient(datagramLimits: [.milliseconds(700)], streamLimit: .seconds(5))
        let solver = DNS01Update(
            settings, lookup: DNSLookup(client: client, resolvers: [servers.primary], port: servers.port), longestWait: .seconds(2),
            observer: { events.observe($0) })
        let answer = try solver.answer()
        servers.signalSecondary(SIGSTOP)
        try await solver.present(answer)
        try await solver.waitUntilVisible(answer)
        #expect(
            events.warnings.withLock { $0 } == [
                "not every DNS server of example.org can be asked for the record: ns2.example.org (127.0.0.2:\(servers.port)) "
                    + "did not answer"
            ])
        servers.signalSecondary(SIGCONT)
        try await self.solver(servers).waitUntilVisible(answer)
        try await solver.cleanUp(answer)
        servers.stop()
    }

    /// The wildcard gives every name an alias; nobody has delegated this one.
    @Test(arguments: DNSServersFixture.Software.installed)
    func anAliasFromAWildcardIsNoDelegation(software: DNSServersFixture.Software) async throws {
        let servers = try await DNSServersFixture(
            software, records: ["* CNAME @", "*.app CNAME www.example.net.", "_acme-challenge.given.app CNAME www.example.net."])
        let solver = try solver(servers)
        for name in ["www.other.example.org", "www.app.example.org"] {
            let answer = try solver.answer(name)
            try await solver.present(answer)
            try await solver.waitUntilVisible(answer)
            #expect(try await values(servers, "_acme-challenge.\(name)") == [answer.keyAuthorization.dns01Value])
            // Now the name has a record of its own.
            try await self.solver(servers).cleanUp(answer)
        }
        let given = try solver.answer("given.app.example.org")
        try await solver.present(given)
        #expect(try await values(servers, "www.example.net") == [given.keyAuthorization.dns01Value])
        servers.stop()
    }

    @Test func aLaterProcessRemovesWhatACrashedOneLeft() async throws {
        let servers = try await DNSServersFixture(
            try #require(DNSServersFixture.Software.installed.first), records: ["_acme-challenge.www CNAME www.example.net."])
        let crashed = try solver(servers, server: "127.0.0.1:\(servers.port)")
        let other = try crashed.answer("*.www.example.org", token: "b3RoZXI")
        let answer = try crashed.answer()
        try await crashed.present(other)
        try await crashed.present(answer)
        #expect(try await values(servers, "www.example.net").count == 2)
        try await solver(servers).cleanUp(answer)
        #expect(try await values(servers, "www.example.net") == [other.keyAuthorization.dns01Value])
        servers.stop()
    }

    /// The alias leads elsewhere by then.
    @Test func aLaterProcessRemovesTheRecordWhereItWasSet() async throws {
        let servers = try await DNSServersFixture(
            try #require(DNSServersFixture.Software.installed.first), records: ["_acme-challenge.www CNAME www.example.net."])
        let crashed = try solver(servers)
        var answer = try crashed.answer()
        answer.place = await crashed.locate(answer)
        let place = try #require(answer.place.flatMap { TextRecord(text: $0) }, "\(answer)")
        #expect(place.name.description == "www.example.net" && place.zone.description == "example.net" && place.text == answer.place)
        try await crashed.present(answer)
        #expect(try await values(servers, "www.example.net") == [answer.keyAuthorization.dns01Value])
        // What a later process reads in the journal, and a name without that alias.
        answer.target = "_acme-challenge.moved.example.org"
        var unplaced = answer
        unplaced.place = nil
        try await solver(servers).cleanUp(unplaced)
        #expect(try await values(servers, "www.example.net") == [answer.keyAuthorization.dns01Value])
        try await solver(servers).cleanUp(answer)
        #expect(try await values(servers, "www.example.net").isEmpty)
        // A server that is gone for good, one that is silent, and one that has the zone no longer: that of today is asked.
        let silent = try await ScriptedDNSServer { _ in .messages([]) }
        for place in [
            "www.example.net example.net 127.0.0.1:1", "www.example.net example.net \(silent.server)",
            "www.example.com example.com \(servers.primary)",
        ] {
            #expect(TextRecord(text: place) != nil)
            let today = try solver(servers)
            var left = try today.answer()
            try await today.present(left)
            #expect(try await values(servers, "www.example.net") == [left.keyAuthorization.dns01Value])
            left.place = place
            try await solver(servers).cleanUp(left)
            #expect(try await values(servers, "www.example.net").isEmpty, "\(place)")
        }
        #expect(!silent.asked.isEmpty)
        await silent.stop()
        servers.stop()
    }

    @Test func aPlaceIsReadAsItIsWritten() throws {
        for text in ["a.example.org example.org 192.0.2.1", "a.example.org example.org 192.0.2.1:5353,[2001:db8::1]:5353,2001:db8::2"] {
            #expect(TextRecord(text: text)?.text == text)
        }
        for text in ["", "a.example.org example.org", "a.example.org example.net 192.0.2.1", "a.example.org example.org ns1.example.org"] {
            #expect(TextRecord(text: text) == nil, "\(text)")
        }
    }

    /// The journal has it, and one of an earlier version has none.
    @Test func theJournalKeepsThePlace() async throws {
        let bench = try Bench(), name = try CertificateName("www.example.org")
        let solver = DNS01Hook(program: ExternalProgram(path: "/bin/true", environment: [:], timeout: .seconds(1)))
        var placed = try solver.answer()
        let plain = placed
        placed.place = "a.example.org example.org 192.0.2.1"
        let journal = try OrderJournal(
            name: name, directory: bench.ca.directory, identifiers: [plain.identifier], accountKey: "account", started: 0,
            steps: [.challengeSetUp(placed), .challengeSetUp(plain), .challengeCleanedUp(plain)])
        try await bench.store.write(journal)
        #expect(try await bench.store.journal(named: name)?.challengesToCleanUp == [placed])
    }

    @Test func whatCannotWorkIsSaidBeforeAnOrder() throws {
        let settings = try DNSUpdateSettings(server: "ns1.example.org", keyFile: "/nonexistent/key", resolver: nil)
        #expect {
            try DNS01Update(settings).check()
        } throws: { error in "\(error)".contains("/nonexistent") }
        #expect(try !DNS01Update(settings).canSolve(Identifier(argument: "192.0.2.1")))
        for text in ["", "a b", "192.0.2.1:0", "192.0.2.1:99999", "-x", "*.example.org", "https://example.org"] {
            #expect(throws: IssuanceError.self, "\(text)") { try DNSUpdateSettings(server: text, keyFile: nil, resolver: nil) }
        }
        #expect(throws: IssuanceError.self) { try DNSUpdateSettings(server: "auto", keyFile: nil, resolver: "dns.example.org") }
        for (text, shown) in [
            ("auto", "auto"), ("NS1.example.org.", "ns1.example.org"), ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
            ("2001:DB8::1", "2001:db8::1"),
            ("192.0.2.1:53", "192.0.2.1"), ("ns1.example.org:5353", "ns1.example.org:5353"),
        ] {
            #expect(try DNSUpdateSettings(server: text, keyFile: nil, resolver: nil).serverText == shown)
        }
    }
}

extension PebbleTests {
    @Test(.enabled(if: !DNSServersFixture.Software.installedWithSecondary.isEmpty, "knot is installed"))
    func aNameAndAWildcardAreIssuedByDNSUpdatesWithoutAScript() async throws {
        let servers = try await DNSServersFixture(
            try #require(DNSServersFixture.Software.installedWithSecondary.first), withSecondary: true)
        var options = PebbleFixture.Options()
        options.dnsPort = servers.port
        let user = try await User(options)
        _ = try await user.register()
        let settings = try DNSUpdateSettings(server: "auto", keyFile: servers.keyFile, resolver: "\(servers.primary)")
        let (flow, client) = try await user.flow([DNS01Update(settings, port: servers.port)])
        let outcome = try await flow.issue(try Bench.request(["example.org", "*.example.org"]))
        #expect(Set(try outcome.certificate.chain.identifiers().map(\.value)) == ["example.org", "*.example.org"])
        #expect(client.requestCount <= 11)
        #expect(try await servers.lookup.texts(of: try DomainName("_acme-challenge.example.org")).isEmpty)
        await user.end()
        servers.stop()
    }
}
