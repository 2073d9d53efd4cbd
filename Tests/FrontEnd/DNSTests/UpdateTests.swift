import ACME
import Glibc
import JOSE
import TestSupport
import Testing

@testable import DNS

/// Updates of real servers.
@Suite(.enabled(if: !DNSServersFixture.Software.installed.isEmpty, "bind9 or knot is installed"), .serialized)
struct UpdateTests {
    private static var now: Int64 { Int64(time(nil)) }

    private func key(_ algorithm: TSIGKey.Algorithm, name: String = "update", secret: String = DNSServersFixture.secret) throws -> TSIGKey {
        try TSIGKey(name: try DomainName(name), algorithm: algorithm, secret: try #require(Base64.decode(Array(secret.utf8))))
    }

    @Test(arguments: DNSServersFixture.Software.installed, TSIGKey.Algorithm.allCases)
    func valuesAreAddedAndRemovedOneByOne(software: DNSServersFixture.Software, algorithm: TSIGKey.Algorithm) async throws {
        let servers = try await DNSServersFixture(software, algorithm: algorithm)
        let lookup = servers.lookup
        let record = try await lookup.record(try DomainName("_acme-challenge.www.example.org"), primary: nil)
        #expect(record.zone == (try DomainName("example.org")) && record.primaries == [servers.primary])
        let key = try TSIGKeyFile.read(servers.keyFile)
        for value in ["one", "two", "one"] { try await lookup.add(Array(value.utf8), ttl: 5, to: record, key, time: Self.now) }
        #expect(Set(try await lookup.texts(of: record.name)) == [Array("one".utf8), Array("two".utf8)])
        #expect(try await lookup.look(for: Array("two".utf8), at: record.name, on: servers.primary) == .shown)
        for _ in 0..<2 { try await lookup.remove(Array("one".utf8), from: record, key, time: Self.now) }
        #expect(try await lookup.texts(of: record.name) == [Array("two".utf8)])
        try await lookup.remove(Array("two".utf8), from: record, key, time: Self.now)
        #expect(try await lookup.look(for: Array("two".utf8), at: record.name, on: servers.primary) == .lacking)
        servers.stop()
    }

    @Test(arguments: DNSServersFixture.Software.installed)
    func refusalsSayWhatToDo(software: DNSServersFixture.Software) async throws {
        let servers = try await DNSServersFixture(software)
        let lookup = servers.lookup
        let name = try DomainName("_acme-challenge.www.example.org")
        let record = try await lookup.record(name, primary: nil)
        func failure(_ record: TextRecord, _ key: TSIGKey?, time: Int64 = Self.now) async -> DNSError? {
            do { try await lookup.add([1], ttl: 5, to: record, key, time: time) } catch { return error as? DNSError }
            return nil
        }
        let good = try key(.hmacSHA256)
        let otherSecret = try key(.hmacSHA256, secret: "AAAA" + DNSServersFixture.secret)
        let badKey = await failure(record, try key(.hmacSHA256, name: "other"))
        #expect(badKey == .updateRefused(servers.primary, zone: record.zone, .notAuthoritative, .badKey), "\(String(describing: badKey))")
        let badSignature = await failure(record, otherSecret)
        #expect(badSignature == .updateRefused(servers.primary, zone: record.zone, .notAuthoritative, .badSignature))
        let badTime = await failure(record, good, time: Self.now - 3600)
        #expect(badTime == .updateRefused(servers.primary, zone: record.zone, .notAuthoritative, .badTime))
        #expect(badTime?.hint?.contains("clocks") == true)
        let unsigned = await failure(record, nil)
        #expect([.refused, .notAuthoritative].contains { unsigned == .updateRefused(servers.primary, zone: record.zone, $0, nil) })
        var elsewhere = record
        elsewhere.zone = try DomainName("example.com")
        elsewhere.name = try DomainName("_acme-challenge.example.com")
        let otherZone = await failure(elsewhere, good)
        #expect(
            otherZone == .updateRefused(servers.primary, zone: elsewhere.zone, .notAuthoritative, nil), "\(String(describing: otherZone))")
        #expect(otherZone?.hint?.contains("not the primary of example.com") == true)
        elsewhere.zone = record.zone
        let notInZone = await failure(elsewhere, good)
        #expect(notInZone == .updateRefused(servers.primary, zone: record.zone, .notInZone, nil), "\(String(describing: notInZone))")
        for error in [badKey, badSignature, badTime, unsigned, otherZone, notInZone] { #expect(error?.hint != nil) }
        servers.stop()
        let gone = await failure(record, good)
        guard case .unreachable = gone else {
            Issue.record("\(String(describing: gone))")
            return
        }
    }

    @Test func anAliasLeadsToAnotherZone() async throws {
        let software = try #require(DNSServersFixture.Software.installed.first)
        let servers = try await DNSServersFixture(
            software,
            records: [
                "_acme-challenge.www CNAME www.example.net.", "_acme-challenge.a CNAME _acme-challenge.b",
                "_acme-challenge.b CNAME _acme-challenge.a",
            ])
        let record = try await servers.lookup.record(try DomainName("_acme-challenge.www.example.org"), primary: nil)
        #expect(try record.name == DomainName("www.example.net") && record.zone == DomainName("example.net"))
        let loop = try DomainName("_acme-challenge.a.example.org")
        await #expect(throws: DNSError.aliases(loop)) { try await servers.lookup.record(loop, primary: nil) }
        servers.stop()
    }
}
