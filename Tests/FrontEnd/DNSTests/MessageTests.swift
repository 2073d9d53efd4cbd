import ACME
import Foundation
import Glibc
import TestSupport
import Testing

@testable import DNS

@Suite struct MessageTests {
    private static func request(_ name: String = "_acme-challenge.example.org", _ type: RecordType = .txt) throws -> DNSRequest {
        try DNSRequest(.init(try DomainName(name), type), isRecursive: false)
    }

    private func reply(_ request: DNSRequest, _ answers: [DNSReply.Record], _ authorities: [DNSReply.Record] = []) throws -> DNSReply {
        let query = try #require(ScriptedDNSServer.Query(request.bytes, isStream: false))
        return DNSReply(to: query, answers: answers, authorities: authorities)
    }

    @Test func recordsOfEachTypeAreRead() throws {
        let request = try Self.request()
        let message = try #require(
            DNSMessage(
                try reply(
                    request,
                    [
                        .text("_acme-challenge.example.org", [Array("one ".utf8), Array("two".utf8)]),
                        .alias("a.example.org", "b.example.org"),
                        .address("ns1.example.org", [192, 0, 2, 1]), .nameServer("example.org", "ns1.example.org"),
                        .init("ns1.example.org", 28, [UInt8](repeating: 0, count: 15) + [1]), .init("example.org", 99, [1, 2]),
                    ], [.authority("example.org", primary: "ns1.example.org")]
                ).bytes))
        #expect(message.answers(request) && message.code == .success && message.isAuthoritative && !message.isTruncated)
        let ns1 = try DomainName("ns1.example.org")
        #expect(
            message.answers.map(\.content) == [
                .text(Array("one two".utf8)), .alias(try DomainName("b.example.org")), .address(try IPAddress("192.0.2.1")),
                .nameServer(ns1),
                .address(try IPAddress("::1")),
            ])
        #expect(message.authorities.map(\.content) == [.authority(primary: ns1)])
        #expect(message.contents(of: try DomainName("_ACME-challenge.example.org")).count == 1)
    }

    @Test func anAnswerToAnotherRequestIsNone() throws {
        let request = try Self.request()
        var other = try reply(request, [])
        other.id[1] ^= 1
        #expect(try #require(DNSMessage(other.bytes)).answers(request) == false)
        #expect(try DNSMessage(reply(Self.request("example.net"), []).bytes)?.answers(request) == false)
        #expect(try DNSMessage(reply(Self.request("_acme-challenge.example.org", .a), []).bytes)?.answers(request) == false)
        // A request is no answer to itself.
        #expect(try #require(DNSMessage(request.bytes)).answers(request) == false)
    }

    @Test func anUpdateHasExactlyItsRecord() throws {
        let value = [UInt8](repeating: 0x61, count: 300)
        let request = try DNSRequest(
            zone: try DomainName("example.org"), .add(ttl: 60), try DomainName("_acme-challenge.example.org"), text: value)
        let message = try #require(DNSMessage(request.bytes))
        #expect(message.operation == .update && message.question?.type == .soa && message.answers.isEmpty)
        #expect(message.authorities.map(\.content) == [.text(value)])
        // Class NONE: a removal of this value alone.
        let removal = try DNSRequest(zone: try DomainName("example.org"), .remove, try DomainName("a.example.org"), text: [0x62])
        #expect(removal.bytes.suffix(12) == [0, 16, 0, 254, 0, 0, 0, 0, 0, 2, 1, 0x62])
    }

    /// Nothing that comes traps, and what is read stays small. Under valgrind it shows that libldns's memory is freed.
    @Test func changedAnswersAreReadOrRefused() throws {
        let request = try Self.request()
        var signed = try reply(
            request,
            [
                .text("_acme-challenge.example.org", [Array("one".utf8)]), .alias("a.example.org", "b.example.org"),
                .nameServer("example.org", "ns1.example.org"), .address("ns1.example.org", [192, 0, 2, 1]),
            ], [.authority("example.org", primary: "ns1.example.org")]
        ).bytes
        var record = TSIGRecord(
            key: try DomainName("key"), algorithm: try DomainName("hmac-sha256"), time: 1_700_000_000, fudge: 300, originalID: 1)
        record.code = [UInt8](repeating: 7, count: 32)
        signed[11] = 1
        signed += record.wire
        let whole = try #require(DNSMessage(signed))
        #expect(whole.signature?.code == record.code && whole.answers.count == 4)
        var generator = SplitMix(seed: 7)
        var read = 0
        for _ in 0..<20_000 {
            var bytes = signed
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator)))
                case 1: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: Int.random(in: 0...bytes.count, using: &generator))
                // A pointer, to anywhere.
                case 2 where bytes.count > 14:
                    let at = Int.random(in: 12..<(bytes.count - 1), using: &generator)
                    bytes.replaceSubrange(at..<(at + 2), with: [0xC0, UInt8.random(in: 0...255, using: &generator)])
                default:
                    guard !bytes.isEmpty else { continue }
                    bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
                }
            }
            guard let message = DNSMessage(bytes) else { continue }
            read += 1
            _ = message.answers(request)
            for record in message.answers { _ = "\(record.name)" }
        }
        #expect(read > 1000)
    }

    /// As many records as a message can have, again and again: what libldns took for one is free before the next.
    @Test func fullMessagesLeaveNoMemoryBehind() throws {
        let request = try Self.request("example.org", .ns)
        let bytes = try reply(request, (0..<2000).map { .nameServer("example.org", "n\($0).x") }).bytes
        func resident() throws -> Int {
            let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
            return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
        }
        #expect(DNSMessage(bytes)?.answers.count == 2000)
        let before = try resident()
        for _ in 0..<400 { #expect(DNSMessage(bytes) != nil) }
        // Kept, they would be 400 times half a megabyte.
        #expect(try resident() - before < 100 << 20)
    }

    @Test func twoSignaturesOrAnythingAfterOneAreRefused() throws {
        let request = try Self.request()
        var record = TSIGRecord(
            key: try DomainName("key"), algorithm: try DomainName("hmac-sha256"), time: 1_700_000_000, fudge: 300, originalID: 1)
        record.code = [1, 2, 3]
        var twice = try reply(request, []).bytes
        twice[11] = 2
        #expect(DNSMessage(twice + record.wire + record.wire) == nil)
        twice[11] = 1
        #expect(DNSMessage(twice + record.wire) != nil && DNSMessage(twice + record.wire + [0]) == nil)
    }

    @Test func compressionLoopsAreRefused() throws {
        let request = try Self.request()
        var loop = try reply(request, [.text("a", [[1]])]).bytes
        // The owner of the answer becomes a pointer to itself.
        let at = 12 + DNSReply.name("_acme-challenge.example.org").count + 4
        loop.replaceSubrange(at..<(at + 3), with: [0xC0, UInt8(at)])
        #expect(DNSMessage(loop) == nil)
        // The target of an alias is a pointer to itself, which libldns has to notice.
        var alias = try reply(request, [.alias("a", "b")]).bytes
        alias.replaceSubrange((alias.count - 3)..., with: [0xC0, UInt8(alias.count - 3)])
        alias[alias.count - 3] = 2
        let target = alias.count - 2
        alias[target] = 0xC0
        alias[target + 1] = UInt8(target)
        #expect(DNSMessage(alias) == nil)
    }
}

/// Numbers that are the same in each run.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
