import ACME
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import DNS
@testable import Issuance

/// DNS servers that answer as no server should: bounded time and memory, one clear sentence, and no record touched but
/// the one that was asked for.
@Suite struct HostileDNSTests {
    private static let record = "_acme-challenge.www.example.org"

    /// What a server in order would answer, for cases that are hostile in one place only.
    private static func plain(_ query: ScriptedDNSServer.Query) -> DNSReply {
        var reply = DNSReply(to: query)
        switch query.type {
        case 6: reply.authorities = [.authority("example.org", primary: "ns1.example.org")]
        case 2: reply.answers = [.nameServer(query.name, "ns1.example.org")]
        case 1: reply.answers = [.address(query.name, [127, 0, 0, 1])]
        default: break
        }
        return reply
    }

    private func solver(_ server: DNSServer) throws -> DNS01Update {
        let client = DNSClient(datagramLimits: [.milliseconds(300), .milliseconds(300)], streamLimit: .milliseconds(1500))
        return DNS01Update(
            try DNSUpdateSettings(server: "auto", keyFile: nil, resolver: "\(server)"),
            lookup: DNSLookup(client: client, resolvers: [server], port: server.port), longestWait: .milliseconds(300))
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        /// Part of the sentence.
        var says: String
        var answer: @Sendable (ScriptedDNSServer.Query) -> ScriptedDNSServer.Answer
        var testDescription: String { name }

        init(_ name: String, says: String, _ answer: @escaping @Sendable (ScriptedDNSServer.Query) -> ScriptedDNSServer.Answer) {
            (self.name, self.says, self.answer) = (name, says, answer)
        }
    }

    private static func isUpdate(_ query: ScriptedDNSServer.Query) -> Bool { query.bytes[2] & 0x78 == 0x28 }

    private static let cases: [Case] = [
        Case("silence", says: "did not answer") { _ in .messages([]) },
        Case("other ids", says: "did not answer") { query in
            var reply = plain(query)
            reply.id[1] ^= 0xFF
            return .messages([[UInt8]](repeating: reply.bytes, count: 20))
        },
        Case("other questions", says: "did not answer") { query in
            var reply = plain(query)
            reply.question = DNSReply.name("www.example.net") + [0, UInt8(query.type), 0, 1]
            return .messages([reply.bytes])
        },
        Case("an alias of itself", says: "leads through too many names or back to itself") { query in
            var reply = plain(query)
            if query.type == 5 { reply.answers = [.alias(query.name, query.name)] }
            return .messages([reply.bytes])
        },
        Case("aliases in a circle", says: "leads through too many names or back to itself") { query in
            var reply = plain(query)
            if query.type == 5 { reply.answers = [.alias(query.name, query.name == record ? "a.example.org" : record)] }
            return .messages([reply.bytes])
        },
        Case("aliases without an end", says: "leads through too many names or back to itself") { query in
            var reply = plain(query)
            if query.type == 5 { reply.answers = [.alias(query.name, "a" + query.name)] }
            return .messages([reply.bytes])
        },
        Case("another zone's SOA record", says: "no zone was found") { query in
            var reply = plain(query)
            reply.authorities = [.authority("example.com", primary: "ns1.example.com"), .authority("g", primary: "ns1.example.com")]
            reply.answers = []
            return .messages([reply.bytes])
        },
        Case("the root's SOA record", says: "no zone was found") { query in
            var reply = plain(query)
            if query.type == 6 { reply.authorities = [.authority("", primary: "ns1.example.com")] }
            return .messages([reply.bytes])
        },
        Case("truncated for ever", says: "sent something that is not a DNS answer") { query in
            var reply = plain(query)
            reply.isTruncated = true
            return .messages([reply.bytes])
        },
        Case("a slow drip", says: "did not answer") { query in
            var reply = plain(query)
            reply.isTruncated = true
            return query.isStream
                ? .drip([0x7F, 0xFF] + reply.bytes + [UInt8](repeating: 0, count: 1000), pause: .milliseconds(20))
                : .messages([reply.bytes])
        },
        Case("a compression loop", says: "did not answer") { query in
            let bytes = plain(query).bytes
            var loop = bytes
            loop[7] = 1
            return .messages([loop + [0xC0, UInt8(truncatingIfNeeded: bytes.count), 0, 16, 0, 1, 0, 0, 0, 0, 0, 1, 0]])
        },
        Case("SERVFAIL", says: "answered SERVFAIL") { query in
            var reply = plain(query)
            reply.code = 2
            return .messages([reply.bytes])
        },
        Case("an update refused", says: "did not accept the update of the zone example.org: REFUSED") { query in
            var reply = plain(query)
            if isUpdate(query) { reply.code = 5 }
            return .messages([reply.bytes])
        },
        Case("an update that fails", says: "did not accept the update of the zone example.org: SERVFAIL") { query in
            var reply = plain(query)
            if isUpdate(query) { reply.code = 2 }
            return .messages([reply.bytes])
        },
        Case("an update without an answer", says: "closed the connection without an answer") { query in
            isUpdate(query) ? .close : .messages([plain(query).bytes])
        },
        Case("ten thousand servers", says: "which is more than can be asked") { query in
            var reply = plain(query)
            guard query.type == 2 else { return .messages([reply.bytes]) }
            // As many as a message can have.
            if query.isStream {
                reply.answers = (0..<1900).map { .nameServer(query.name, "n\($0).x") }
            } else {
                reply.isTruncated = true
            }
            return .messages([reply.bytes])
        },
        Case("a giant record", says: "does not have it") { query in
            var reply = plain(query)
            guard query.type == 16 else { return .messages([reply.bytes]) }
            if query.isStream {
                reply.answers = [.text(query.name, [[UInt8]](repeating: [UInt8](repeating: 0x61, count: 255), count: 250))]
            } else {
                reply.isTruncated = true
            }
            return .messages([reply.bytes])
        },
        Case("the value under another name", says: "does not have it") { query in
            var reply = plain(query)
            if query.type == 16 { reply.answers = [.text("other.example.org", [Array(query.name.utf8)])] }
            return .messages([reply.bytes])
        },
        Case("an answer without authority", says: "is not a server of the zone") { query in
            var reply = plain(query)
            if query.type == 16 { reply.isAuthoritative = false }
            return .messages([reply.bytes])
        },
    ]

    private static let passing: Set<String> = [
        "silence", "other ids", "other questions", "a slow drip", "a compression loop", "SERVFAIL", "an update that fails",
        "an update without an answer", "a giant record", "the value under another name", "an answer without authority",
    ]

    @Test(arguments: [true, false]) func onlyAServerThatAnswersWithoutTheRecordHoldsUp(answers: Bool) async throws {
        let value = try solver(DNSServer(try IPAddress("127.0.0.1"))).answer().keyAuthorization.dns01Value
        let first = try await ScriptedDNSServer { query in
            var reply = Self.plain(query)
            switch query.type {
            case 2: reply.answers = ["ns1", "ns2"].map { .nameServer(query.name, "\($0).example.org") }
            case 1: reply.answers = [.address(query.name, [127, 0, 0, query.name.hasPrefix("ns2") ? 2 : 1])]
            case 16: reply.answers = [.text(query.name, [Array(value.utf8)])]
            default: break
            }
            return .messages([reply.bytes])
        }
        // Without it the port of the second address is closed.
        let second =
            answers
            ? try await ScriptedDNSServer(host: "127.0.0.2", port: first.server.port) { .messages([DNSReply(to: $0).bytes]) } : nil
        let solver = try solver(first.server)
        let answer = try solver.answer()
        try await solver.present(answer)
        var failure: (any Error)?
        do { try await solver.waitUntilVisible(answer) } catch { failure = error }
        #expect((failure != nil) == answers)
        if let failure { #expect("\(failure)".hasSuffix("ns2.example.org (127.0.0.2:\(first.server.port)) does not have it")) }
        await first.stop()
        await second?.stop()
    }

    /// With the limits that users have: servers that never answer, or never show the record, take a minute in all.
    @Test(
        .enabled(if: ProcessInfo.processInfo.environment["ACME_AGENT_LONG_TESTS"] != nil), arguments: [[], [16], [2], [5]] as [[UInt16]],
        [8, 100])
    func silenceTakesAMinuteAtMost(_ types: [UInt16], names: Int) async throws {
        let server = try await ScriptedDNSServer { query in
            types.isEmpty || types.contains(UInt16(query.type)) && !Self.isUpdate(query)
                ? .messages([]) : .messages([Self.plain(query).bytes])
        }
        let solver = DNS01Update(
            try DNSUpdateSettings(server: "auto", keyFile: nil, resolver: "\(server.server)"), port: server.server.port)
        let answers = try (0..<names).map { try solver.answer("n\($0).example.org") }
        let began = ContinuousClock.now
        await solver.announce(answers)
        await withTaskGroup(of: Void.self) { group in
            for answer in answers {
                group.addTask {
                    await #expect(throws: IssuanceError.self) {
                        _ = await solver.locate(answer)
                        try await solver.present(answer)
                        try await solver.waitUntilVisible(answer)
                    }
                    try? await solver.cleanUp(answer)
                }
            }
        }
        let taken = ContinuousClock.now - began
        #expect(taken > .seconds(5) && taken < .seconds(60), "\(taken)")
        await server.stop()
    }

    /// All names of an order take longer than the limit, and none is cut off: only silence ends the changes.
    @Test func aSlowServerThatAnswersIsWaitedFor() async throws {
        let server = try await ScriptedDNSServer { query in
            let reply = Self.plain(query).bytes
            return Self.isUpdate(query)
                ? .drip([UInt8(reply.count >> 8), UInt8(reply.count & 0xFF)] + reply, pause: .milliseconds(4)) : .messages([reply])
        }
        let limit = Duration.milliseconds(1500)
        let solver = DNS01Update(
            try DNSUpdateSettings(server: "auto", keyFile: nil, resolver: "\(server.server)"),
            lookup: DNSLookup(resolvers: [server.server], port: server.server.port), longestWait: nil, limits: (limit, limit))
        let answers = try (0..<64).map { try solver.answer("n\($0).example.org") }
        await solver.announce(answers)
        for isRemoval in [false, true] {
            let began = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for answer in answers {
                    group.addTask { if isRemoval { try await solver.cleanUp(answer) } else { try await solver.present(answer) } }
                }
                try await group.waitForAll()
            }
            #expect(ContinuousClock.now - began > limit)
        }
        #expect(server.asked.filter(Self.isUpdate).count == 2 * answers.count)
        await server.stop()
    }

    @Test(arguments: cases) func endsInTimeWithOneSentence(_ hostile: Case) async throws {
        let server = try await ScriptedDNSServer(hostile.answer)
        let solver = try solver(server.server)
        let answer = try solver.answer()
        let began = ContinuousClock.now
        var failure: (any Error)?
        do {
            try await solver.present(answer)
            try await solver.waitUntilVisible(answer)
        } catch { failure = error }
        try? await solver.cleanUp(answer)
        #expect(ContinuousClock.now - began < .seconds(60))
        let text = failure.map { "\($0)" } ?? "nothing"
        #expect(text.contains(hostile.says) && text.utf8.count < 600 && !text.contains("\n"), "\(text)")
        // What may pass does not end the order.
        let isPassing = if case .busy? = failure as? IssuanceError { true } else { false }
        #expect(failure is IssuanceError && isPassing == Self.passing.contains(hostile.name))
        let name = try DomainName(Self.record), zone = try DomainName("example.org")
        for update in server.asked where Self.isUpdate(update) {
            let message = try #require(DNSMessage(update.bytes))
            #expect(message.question?.name == zone && message.authorities.allSatisfy { $0.name == name })
        }
        await server.stop()
    }
}
