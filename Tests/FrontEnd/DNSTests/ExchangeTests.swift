import ACME
import Synchronization
import TestSupport
import Testing

@testable import DNS

@Suite struct ExchangeTests {
    private static func question(_ name: String = "www.example.org") throws -> DNSMessage.Question { .init(try DomainName(name), .txt) }
    private static let client = DNSClient(datagramLimits: [.milliseconds(200), .milliseconds(400)], streamLimit: .seconds(1))

    @Test func answersToOthersAreDroppedUntilOursComes() async throws {
        let server = try await ScriptedDNSServer { query in
            let good = DNSReply(to: query, answers: [.text("www.example.org", [[1]])])
            var otherID = good
            otherID.id[0] ^= 0x55
            otherID.answers = [.text("www.example.org", [[2]])]
            var otherName = good
            otherName.question = DNSReply.name("evil.example.org") + [0, 16, 0, 1]
            return .messages([otherID.bytes, [1, 2, 3], otherName.bytes, good.bytes])
        }
        let answer = try await Self.client.ask(server.server, try Self.question(), isRecursive: false)
        #expect(answer.answers.map(\.content) == [.text([1])])
        await server.stop()
    }

    @Test func aLostDatagramIsSentAgainFromAnotherPortWithAnotherID() async throws {
        let count = Counter()
        let server = try await ScriptedDNSServer { query in
            count.next() == 0 ? .messages([]) : .messages([DNSReply(to: query).bytes])
        }
        _ = try await Self.client.ask(server.server, try Self.question(), isRecursive: true)
        let ids = server.asked.map { Array($0.bytes[..<2]) }
        #expect(ids.count == 2 && ids[0] != ids[1])
        await server.stop()
    }

    @Test func aTruncatedAnswerIsFetchedOverAStream() async throws {
        let long = [[UInt8]](repeating: [UInt8](repeating: 0x61, count: 255), count: 200)
        let server = try await ScriptedDNSServer { query in
            var reply = DNSReply(to: query)
            if query.isStream { reply.answers = [.text("www.example.org", long)] } else { reply.isTruncated = true }
            return .messages([reply.bytes])
        }
        let answer = try await Self.client.ask(server.server, try Self.question(), isRecursive: false)
        #expect(answer.answers.map(\.content) == [.text(Array(long.joined()))])
        #expect(server.asked.map(\.isStream) == [false, true])
        await server.stop()
    }

    @Test func nothingThatAServerDoesTakesLongerThanTheLimits() async throws {
        let cases: [(String, @Sendable (ScriptedDNSServer.Query) -> ScriptedDNSServer.Answer)] = [
            ("silence", { _ in .messages([]) }),
            (
                "truncated for ever",
                { query in
                    var reply = DNSReply(to: query)
                    reply.isTruncated = true
                    return .messages([reply.bytes])
                }
            ),
            (
                "slow drip",
                { query in
                    var reply = DNSReply(to: query)
                    reply.isTruncated = true
                    return query.isStream ? .drip([255, 255] + reply.bytes, pause: .milliseconds(50)) : .messages([reply.bytes])
                }
            ),
            (
                "closed",
                { query in
                    var reply = DNSReply(to: query)
                    reply.isTruncated = true
                    return query.isStream ? .close : .messages([reply.bytes])
                }
            ),
            ("garbage", { query in .messages([[UInt8]](repeating: [9, 9, 9], count: 50)) }),
        ]
        for (what, answer) in cases {
            let server = try await ScriptedDNSServer(answer)
            let began = ContinuousClock.now
            await #expect(throws: DNSError.self, "\(what)") {
                _ = try await Self.client.ask(server.server, try Self.question(), isRecursive: false)
            }
            // Much less, where nothing else needs the CPU.
            #expect(ContinuousClock.now - began < .seconds(30), "\(what)")
            await server.stop()
        }
    }

    @Test func aClosedPortIsNoticedAtOnce() async throws {
        let server = try await ScriptedDNSServer { _ in .close }
        await server.stop()
        await #expect {
            _ = try await DNSClient().ask(server.server, try Self.question(), isRecursive: false)
        } throws: { error in
            guard case DNSError.unreachable(_, let reason, false) = error else { return false }
            return reason == "connection refused"
        }
    }

    @Test func localhostIsThisHostWhateverResolversSay() async throws {
        let lookup = DNSLookup(client: Self.client, resolvers: [])
        let name = try #require(DNSServerName("LOCALHOST:5353"))
        #expect(try await lookup.addresses(of: name).map(\.description) == ["127.0.0.1:5353", "[::1]:5353"])
    }

    @Test func aResolverThatIsDownCostsOneDatagram() async throws {
        let silent = try await ScriptedDNSServer { _ in .messages([]) }
        let broken = try await ScriptedDNSServer { query in
            var reply = DNSReply(to: query)
            reply.code = 2
            return .messages([reply.bytes])
        }
        let good = try await ScriptedDNSServer { query in .messages([DNSReply(to: query, answers: [.text(query.name, [[1]])]).bytes]) }
        let lookup = DNSLookup(client: Self.client, resolvers: [silent, broken, good].map(\.server))
        #expect(try await lookup.texts(of: try DomainName("www.example.org")) == [[1]])
        #expect([silent, broken, good].map(\.asked.count) == [1, 1, 1])
        // If none has an answer, the first one's failure is the reason.
        let down = DNSLookup(client: Self.client, resolvers: [silent, broken].map(\.server))
        await #expect {
            _ = try await down.texts(of: try DomainName("www.example.org"))
        } throws: { error in
            guard case DNSError.noAnswer(let server, _) = error else { return false }
            return server == silent.server
        }
        #expect([silent, broken].map(\.asked.count) == [3, 2])
        for server in [silent, broken, good] { await server.stop() }
    }

    @Test func aCancelledQueryEndsAtOnce() async throws {
        let server = try await ScriptedDNSServer { _ in .messages([]) }
        let began = ContinuousClock.now
        let query = Task { try await DNSClient(datagramLimits: [.seconds(30)]).ask(server.server, try Self.question(), isRecursive: false) }
        try await Task.sleep(for: .milliseconds(50))
        query.cancel()
        await #expect(throws: CancellationError.self) { _ = try await query.value }
        #expect(ContinuousClock.now - began < .seconds(25))
        await server.stop()
    }
}

final class Counter: Sendable {
    private let value = Mutex(0)
    func next() -> Int {
        value.withLock { value in
            defer { value += 1 }
            return value
        }
    }
}
