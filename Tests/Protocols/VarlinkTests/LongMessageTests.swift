import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Varlink

/// Endless and long calls, which must not delay other calls.
@Suite struct LongMessageTests {
    @Test(
        "an endless run of oneway calls is split into turns",
        arguments: [
            #"{"method":"org.example.test.Refuse","oneway":true}"#, #"{"method":"org.example.test.Refuse","oneway":true,"x":1}"#,
        ])
    func onewayCallsTakeTurns(call: String) throws {
        let server = try EmbeddedServer()
        try server.send(String(repeating: call + "|", count: 100))
        try server.call("Echo", #"{"text":"x"}"#)
        // 32 calls in a row, then others: the answer comes in the fourth turn.
        #expect(try server.replies().isEmpty)
        for _ in 0..<4 { server.channel.embeddedEventLoop.advanceTime(by: .milliseconds(1)) }
        #expect(try server.replies().count == 1)
    }

    @Test("a long message is read off the loop, and calls are answered in their order")
    func order() async throws {
        let thread = TurnThread()
        try await SocketServer.with(thread: thread) { server in
            let client = try RawClient(server.address)
            let long = String(repeating: "l", count: 100_000)
            func echo(_ text: String) -> String { #"{"method":"org.example.test.Echo","parameters":{"text":"\#(text)"}}|"# }
            for _ in 0..<3 { try client.send(echo("a") + echo(long) + echo("b")) }
            client.endOutput()
            let lengths = try client.readToEnd().map(\.utf8.count)
            let short = #"{"parameters":{"text":"a"}}"#.utf8.count
            #expect(lengths == [short, short - 1 + 100_000, short, short, short - 1 + 100_000, short, short, short - 1 + 100_000, short])
            #expect(try await server.heldBytes() == 0)
        }
        try thread.stop()
    }

    @Test("a long message that is not a call is answered, or ends its connection, like a short one")
    func faults() async throws {
        let thread = TurnThread()
        try await SocketServer.with(thread: thread) { server in
            let client = try RawClient(server.address)
            let filling = String(repeating: " ", count: 10_000)
            try client.send(#"{"method":"org.example.test.Refuse","more":1\#(filling)}|{"method":"none.such.Method"\#(filling)}|"#)
            try client.send(#"{"method":"org.example.test.Refuse",\#(filling)|"#)
            let replies = try client.readToEnd()
            #expect(replies.count == 2)
            #expect(replies.first?.contains("InvalidParameter") == true && replies.last?.contains("InterfaceNotFound") == true)
        }
        try thread.stop()
    }

    @Test("work off the loop is done for one user after another")
    func turnsOfWork() async throws {
        let thread = TurnThread()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let done = Mutex<[UInt64]>([])
        let gate = Gate()
        let finished = loop.makePromise(of: Void.self)
        try await loop.submit {
            thread.run(for: 0, on: loop) {
                gate.wait()
            } then: { _ in
            }
            for index in 0..<7 {
                let user: UInt64 = index < 5 ? 1 : 2
                thread.run(for: user, on: loop) {
                    done.withLock { $0.append(user) }
                } then: { _ in
                    if done.withLock({ $0.count }) == 7 { finished.succeed() }
                }
            }
        }.get()
        gate.open()
        try await finished.futureResult.get()
        #expect(done.withLock { $0 } == [1, 2, 1, 2, 1, 1, 1])
        try thread.stop()
    }

    private final class Gate: Sendable {
        private let isOpen = Atomic(false)
        func wait() { while !isOpen.load(ordering: .acquiring) {} }
        func open() { isOpen.store(true, ordering: .releasing) }
    }

    @Test func theHistogramGivesQuantiles() {
        let latency = VarlinkLatency()
        for value in 1...1_000 { latency.record(user: 7, nanoseconds: UInt64(value) * 1_000) }
        latency.record(user: 8, nanoseconds: 5)
        let summaries = latency.summaries
        #expect(summaries.map(\.user) == [7, 8])
        #expect(summaries.map(\.calls) == [1_000, 1])
        #expect((500_000...540_000).contains(summaries[0].p50))
        #expect((980_000...1_000_000).contains(summaries[0].p99))
        #expect(summaries[0].longest == 1_000_000 && summaries[1].p99 == 5)
        latency.reset()
        #expect(latency.summaries.isEmpty)
    }
}
