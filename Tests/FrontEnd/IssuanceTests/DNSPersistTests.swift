import ACME
import ACMEClient
import DNS
import Synchronization
import TestSupport
import Testing

@testable import Issuance

/// dns-persist-01 in both drafts, on the tests' own CA, with records on a server of the tests' own.
@Suite struct DNSPersistTests {
    /// A server with these TXT values at every name of example.org.
    private func server(_ values: @escaping @Sendable (String) -> [String]) async throws -> ScriptedDNSServer {
        try await ScriptedDNSServer { query in
            var reply = DNSReply(to: query)
            switch query.type {
            case 6: reply.authorities = [.authority("example.org", primary: "ns1.example.org")]
            case 2: reply.answers = [.nameServer(query.name, "ns1.example.org")]
            case 1: reply.answers = [.address(query.name, [127, 0, 0, 1])]
            case 16: reply.answers = values(query.name).map { .text(query.name, [Array($0.utf8)]) }
            default: break
            }
            return .messages([reply.bytes])
        }
    }

    private func solver(_ server: ScriptedDNSServer, _ bench: Bench) throws -> DNSPersist {
        let settings = try DNSUpdateSettings(server: "auto", keyFile: nil, resolver: "\(server.server)")
        return DNSPersist(
            settings, port: server.server.port, time: bench.time, observer: { event in bench.events.withLock { $0.append(event) } })
    }

    private func bench(_ draft: Int?, _ change: (inout FakeCA.Behaviour) -> Void = { _ in }) throws -> Bench {
        var behaviour = FakeCA.Behaviour()
        behaviour.persistDraft = draft
        change(&behaviour)
        return try Bench(behaviour)
    }

    private func record(_ bench: Bench, _ draft: Int, _ name: String, until: Int64? = nil) throws -> String {
        let form: DNSPersistRecord.AccountForm = draft == 2 ? .hash(prefix: FakeCA.base + "/hash/") : .url
        let expectation = DNSPersistRecord.Expectation(
            issuers: ["ca.test"], form: form, account: bench.account, thumbprint: bench.accountKey.publicKey.thumbprint)
        return expectation.record(for: try DNSName(name), persistUntil: until).value
    }

    @Test(arguments: [1, 2]) func aRecordThatIsThereProvesNamesAndNothingIsWritten(draft: Int) async throws {
        let bench = try bench(draft)
        let value = try record(bench, draft, "*.www.example.org")
        let server = try await server { $0 == "_validation-persist.www.example.org" ? ["v=spf1 -all", value] : [] }
        let flow = try bench.flow(solvers: [try solver(server, bench), bench.solver])
        _ = try await flow.issue(try Bench.request(["*.www.example.org"]))
        #expect(bench.ca.log.count <= 9 && bench.ca.log.contains("POST /chall/0/dns-persist-01"))
        #expect(server.asked.allSatisfy { $0.bytes[2] & 0x78 == 0 && $0.name.hasPrefix("_validation-persist.") })
        #expect(!bench.eventNames.contains("warning") && !bench.eventNames.contains("challenge-presented"))
        #expect(try await bench.store.journal(named: Bench.request(["*.www.example.org"]).name)?.challengesToCleanUp.isEmpty ?? true)
        await server.stop()
    }

    @Test func aCAThatValidatesWhenItOrdersNeedsEightRequests() async throws {
        let bench = try bench(2) { $0.proven = ["www.example.org"] }
        let server = try await server { _ in [] }
        _ = try await bench.flow(solvers: [try solver(server, bench)]).issue(try Bench.request())
        #expect(bench.ca.log.count <= 8 && server.asked.isEmpty)
        await server.stop()
    }

    @Test(arguments: [1, 2]) func aMissingRecordIsSaidBeforeTheCAIsTold(draft: Int) async throws {
        let bench = try bench(draft)
        let other = try record(bench, 3 - draft, "www.example.org"), own = try record(bench, draft, "www.example.org")
        let server = try await server { _ in [other] }
        await #expect {
            _ = try await bench.flow(solvers: [try solver(server, bench), bench.solver]).issue(try Bench.request())
        } throws: { error in
            "\(error)".contains("_validation-persist.www.example.org: the record is for another account, or for another key of it")
                && (error as? IssuanceError)?.hint == "add to the zone: _validation-persist.www.example.org. IN TXT \"\(own)\""
        }
        #expect(!bench.ca.log.contains { $0.hasPrefix("POST /chall") })
        await server.stop()
    }

    @Test func aRecordThatEndsSoonIsWarnedOfAndOneThatHasEndedIsRefused() async throws {
        let bench = try bench(1)
        let now = bench.time.unixTime()
        let soon = try record(bench, 1, "www.example.org", until: now + 5 * 86_400)
        let server = try await server { _ in [soon] }
        _ = try await bench.flow(solvers: [try solver(server, bench)]).issue(try Bench.request())
        let warning = bench.events.withLock { events in
            events.compactMap { event in if case .warning(let text) = event { text } else { nil } }.first
        }
        #expect(warning?.contains("5 more days only (persistUntil)") == true)
        await server.stop()
        let ended = try record(bench, 1, "www.example.org", until: now - 1)
        let late = try await self.server { _ in [ended] }
        await #expect {
            _ = try await bench.flow(solvers: [try solver(late, bench)]).issue(try Bench.request(["a.example.org"]))
        } throws: { "\($0)".contains("_validation-persist.a.example.org: ") }
        await late.stop()
    }

    @Test func howLongARecordLastsIsThatOfTheLongest() async throws {
        let bench = try bench(1)
        let thumbprint = bench.accountKey.publicKey.thumbprint
        let early = try record(bench, 1, "www.example.org", until: 1000), late = try record(bench, 2, "www.example.org", until: 2000)
        let endless = try record(bench, 1, "*.b.example.org")
        let server = try await server { name in
            switch name {
            case "_validation-persist.www.example.org": [early, late, "ca.test; accounturi=https://ca.test/acct/other"]
            case "_validation-persist.b.example.org": [endless, early]
            default: ["v=spf1 -all"]
            }
        }
        let solver = try solver(server, bench)
        func ending(_ name: String) async throws -> DNSPersist.Ending {
            try await solver.ending(of: try DNSName(name), account: bench.account, thumbprint: thumbprint)
        }
        #expect(try await ending("www.example.org") == .at(2000))
        #expect(try await ending("*.www.example.org") == .missing)
        #expect(try await ending("b.example.org") == .never)
        #expect(try await ending("*.b.example.org") == .never)
        #expect(try await ending("c.example.org") == .missing)
        await server.stop()
    }

    /// Then the challenge counts as not offered, and the next way is taken.
    @Test(arguments: [[], ["CA.test"], ["ca.test."], ["ca.test; policy=wildcard"], [String](repeating: "ca.test", count: 11)])
    func aMalformedOfferIsLeftAlone(issuers: [String]) async throws {
        for draft in [1, 2] {
            let bench = try bench(draft) { $0.persistIssuers = issuers }
            let server = try await server { _ in [] }
            _ = try await bench.flow(solvers: [try solver(server, bench), bench.solver]).issue(try Bench.request())
            #expect(server.asked.isEmpty && bench.ca.log.contains("POST /chall/0/http-01"))
            await server.stop()
        }
    }

    private final class Updates: Sendable {
        private let count = Mutex(0)
        /// How many there were before.
        func next() -> Int {
            count.withLock { count in
                defer { count += 1 }
                return count
            }
        }
    }

    private static func own() throws -> DNSPersistRecord.Expectation {
        DNSPersistRecord.Expectation(
            issuers: ["ca.test", "also-ca.test"], form: .url, account: try ACMEURL("https://ca.test/1"), thumbprint: "thumbprint")
    }

    /// Earlier ones may have another name of the CA, the other draft's form, and strings cut anywhere.
    @Test(
        .enabled(if: !DNSServersFixture.Software.installed.isEmpty, "bind9 or knot is installed"),
        arguments: DNSServersFixture.Software.installed)
    func recordsAreSetByUpdatesInPlaceOfEarlierOnes(software: DNSServersFixture.Software) async throws {
        let own = try Self.own(), name = try DNSName("*.www.example.org"), place = try DomainName("_validation-persist.www.example.org")
        var hashed = own
        hashed.form = .hash(prefix: "https://ca.test/")
        let servers = try await DNSServersFixture(
            software,
            records: [
                "_validation-persist.www TXT \"ca.test; accounturi=\" \"https://ca.test/1; policy=wildcard\" \"\"",
                "_validation-persist.www TXT \"also-ca.test; accounturi=https://ca.test/1\"",
                "_validation-persist.www TXT \"\(hashed.record(for: name).value)\"",
            ])
        let settings = try DNSUpdateSettings(server: "auto", keyFile: servers.keyFile, resolver: "\(servers.primary)")
        let foreign = DNSPersistRecord(issuer: "other.test", accountURI: "https://other.test/1")
        let foreignAccount = DNSPersistRecord(issuer: "ca.test", accountURI: "https://ca.test/2")
        let first = DNSPersistRecord(issuer: "ca.test", accountURI: "https://ca.test/1", persistUntil: 2_000_000_000)
        let second = DNSPersistRecord(issuer: "ca.test", accountURI: "https://ca.test/1", isForWildcards: true)
        let others = DNSLookup(resolvers: [servers.primary], port: servers.port), key = try settings.key()
        let record = try await others.record(place, primary: nil)
        for other in [foreign, foreignAccount] {
            try await others.add(Array(other.value.utf8), ttl: 60, to: record, key, time: SystemTime().unixTime())
        }
        for record in [first, second, second] {
            try await DNSPersist.set(record, for: name, inPlaceOf: own, settings, port: servers.port)
        }
        let values = try await servers.lookup.currentTexts(of: place).map { String(decoding: $0, as: UTF8.self) }
        #expect(Set(values) == [foreign.value, foreignAccount.value, second.value])
        servers.stop()
    }

    /// Each message in turn gets a failure as its answer, whether or not the server did what it said: the next run leaves
    /// exactly one record for the account, and those of others.
    @Test(
        .enabled(if: !DNSServersFixture.Software.installed.isEmpty, "bind9 or knot is installed"), arguments: [true, false])
    func settingARecordMayBeCutOffAnywhere(isDone: Bool) async throws {
        let own = try Self.own(), name = try DNSName("www.example.org"), place = try DomainName("_validation-persist.www.example.org")
        let foreign = DNSPersistRecord(issuer: "other.test", accountURI: "https://other.test/1")
        let earlier = DNSPersistRecord(issuer: "also-ca.test", accountURI: "https://ca.test/1")
        let servers = try await DNSServersFixture(
            try #require(DNSServersFixture.Software.installed.first),
            records: ["_validation-persist.www TXT \"\(foreign.value)\""])
        let direct = try DNSUpdateSettings(server: "\(servers.primary)", keyFile: servers.keyFile, resolver: "\(servers.primary)")
        let record = own.record(for: name)
        for failing in 0... {
            // As it was before.
            try await DNSPersist.set(earlier, for: name, inPlaceOf: own, direct, port: servers.port)
            let passed = Updates(), port = servers.port
            let relay = try await ScriptedDNSServer { query in
                let number = passed.next()
                guard number == failing else { return .messages([DNSRelay.answer(query.bytes, port: port)].compactMap(\.self)) }
                if isDone { _ = DNSRelay.answer(query.bytes, port: port) }
                var reply = DNSReply(to: query)
                reply.code = 2
                return .messages([reply.bytes])
            }
            let settings = try DNSUpdateSettings(server: "\(relay.server)", keyFile: servers.keyFile, resolver: "\(relay.server)")
            let failure: (any Error)?
            do {
                try await DNSPersist.set(record, for: name, inPlaceOf: own, settings, port: servers.port)
                failure = nil
            } catch { failure = error }
            let asked = relay.asked.count
            await relay.stop()
            #expect(failure == nil || failure is IssuanceError, "message \(failing): \(String(describing: failure))")
            try await DNSPersist.set(record, for: name, inPlaceOf: own, direct, port: servers.port)
            let values = try await servers.lookup.currentTexts(of: place).map { String(decoding: $0, as: UTF8.self) }
            #expect(Set(values) == [foreign.value, record.value] && values.count == 2, "message \(failing)")
            if asked <= failing {
                #expect(failing > 3, "the faults reach nothing")
                break
            }
        }
        servers.stop()
    }

    @Test(arguments: [true, false]) func whatRemainsBesideARecordThatIsSetIsSaid(isRefused: Bool) async throws {
        let own = try Self.own(), record = own.record(for: try DNSName("www.example.org"))
        let earlier = own.record(for: try DNSName("*.www.example.org")).value
        let updates = Updates()
        let server = try await ScriptedDNSServer { query in
            var reply = DNSReply(to: query)
            let isUpdate = query.bytes[2] & 0x78 == 0x28
            switch query.type {
            case 6 where isUpdate: if updates.next() > 0, isRefused { reply.code = 5 }
            case 6: reply.authorities = [.authority("example.org", primary: "ns1.example.org")]
            case 1: reply.answers = [.address(query.name, [127, 0, 0, 1])]
            case 16: reply.answers = [earlier, record.value].map { .text(query.name, [Array($0.utf8)]) }
            default: break
            }
            return .messages([reply.bytes])
        }
        let settings = try DNSUpdateSettings(server: "auto", keyFile: nil, resolver: "\(server.server)")
        await #expect {
            try await DNSPersist.set(
                record, for: try DNSName("www.example.org"), inPlaceOf: own, settings, port: server.server.port)
        } throws: { error in
            "\(error)".hasPrefix(
                isRefused
                    ? "_validation-persist.www.example.org is set, but earlier records for your account may remain: "
                    : "_validation-persist.www.example.org is set, but an earlier record for your account remains: \"\(earlier)\"")
        }
        await server.stop()
    }
}
