import NIOCore
import StrictJSON
import Testing
import Varlink

/// The server's end on real sockets, with clients that misbehave.
@Suite struct VarlinkSocketTests {
    private let echo = #"{"method":"org.example.test.Echo","parameters":{"text":"x"}}|"#
    private let hold = #"{"method":"org.example.test.Hold","parameters":{"text":"held"}}|"#

    private func stream(_ count: Int, _ size: Int, politely: Bool) -> String {
        #"{"method":"org.example.test.Stream","more":true,"parameters":{"count":\#(count),"size":\#(size),"politely":\#(politely)}}|"#
    }

    private func limits(_ change: (inout VarlinkServerLimits) -> Void) -> VarlinkServerLimits {
        var limits = VarlinkServerLimits()
        change(&limits)
        return limits
    }

    @Test("half close before the reply: every call is answered")
    func halfClose() async throws {
        try await SocketServer.with { server in
            let closed = try await server.expectClose()
            let held = try await server.expectHold()
            let client = try RawClient(server.address)
            try client.send(echo + hold + echo)
            client.endOutput()
            _ = try await held.get()
            try await server.service { $0.release() }
            #expect(try client.readToEnd().count == 3)
            #expect(try await closed.get() == "the client closed the connection")
        }
    }

    @Test func clientGoesAwayInACall() async throws {
        try await SocketServer.with { server in
            let held = try await server.expectHold()
            let cancelled = try await server.expect { service, report in service.onCancel = { report("cancelled") } }
            do {
                let client = try RawClient(server.address)
                try client.send(hold)
                _ = try await held.get()
            }
            #expect(try await cancelled.get() == "cancelled")
        }
    }

    @Test("a client that half closes and then goes away is noticed as well")
    func clientGoesAwayAfterHalfClose() async throws {
        try await SocketServer.with { server in
            let held = try await server.expectHold()
            let cancelled = try await server.expect { service, report in service.onCancel = { report("cancelled") } }
            do {
                let client = try RawClient(server.address)
                try client.send(hold)
                client.endOutput()
                _ = try await held.get()
            }
            #expect(try await cancelled.get() == "cancelled")
        }
    }

    @Test("a client's disconnect is noticed even while reading is stopped")
    func clientGoesAwayWhileReadingIsHeldBack() async throws {
        try await SocketServer.with(limits: limits { $0.pipelinedBytes = 16 }) { server in
            let held = try await server.expectHold()
            let cancelled = try await server.expect { service, report in service.onCancel = { report("cancelled") } }
            do {
                let client = try RawClient(server.address)
                try client.send(hold)
                _ = try await held.get()
                for _ in 0..<50 { try client.send(echo) }
            }
            #expect(try await cancelled.get() == "cancelled")
            #expect(try await server.service { $0.log.contains("Echo") } == false)
        }
    }

    @Test func malformedMessage() async throws {
        try await SocketServer.with { server in
            let closed = try await server.expectClose()
            let client = try RawClient(server.address)
            try client.send(echo + "not JSON|" + echo)
            #expect(try client.readToEnd().count == 1)
            #expect(try await closed.get().hasPrefix("malformed message"))
        }
    }

    @Test("a client that never reads costs a bounded buffer, then its connection")
    func neverReads() async throws {
        try await SocketServer.with(limits: limits { $0.pendingOutputBytes = 1 << 20 }) { server in
            let closed = try await server.expectClose()
            let client = try RawClient(server.address)
            try client.send(stream(1000, 100_000, politely: false))
            #expect(try await closed.get() == "too many reply bytes were not read")
            #expect(try await server.service { $0.streamed } < 30)
        }
    }

    @Test("a stream that respects isWritable stops for a client that never reads, and is ended in time")
    func neverReadsPolitely() async throws {
        try await SocketServer.with(limits: limits { $0.stalledPeerDeadline = .milliseconds(200) }) { server in
            let closed = try await server.expectClose()
            let client = try RawClient(server.address)
            try client.send(stream(1000, 100_000, politely: true))
            #expect(try await closed.get() == "replies were not read in time")
            #expect(try await server.service { $0.streamed } < 30)
        }
    }

    @Test("a client that calls and never reads is served only while there is room for its replies")
    func callsAndNeverReads() async throws {
        let text = String(repeating: "x", count: 60_000)
        let call = #"{"method":"org.example.test.Echo","parameters":{"text":"\#(text)"}}|"#
        try await SocketServer.with(limits: limits { $0.stalledPeerDeadline = .milliseconds(200) }) { server in
            let closed = try await server.expectClose()
            let client = try RawClient(server.address)
            var sent = 0
            // Ends when the server has closed the connection. Before that, the server stops reading and this end must
            // wait.
            while sent < 1000, (try? client.send(call)) != nil { sent += 1 }
            #expect(sent < 100)
            #expect(try await closed.get() == "replies were not read in time")
        }
    }

    @Test func unfinishedMessage() async throws {
        try await SocketServer.with(limits: limits { $0.stalledPeerDeadline = .milliseconds(50) }) { server in
            let closed = try await server.expectClose()
            let client = try RawClient(server.address)
            try client.send("{")
            #expect(try client.readToEnd().isEmpty)
            #expect(try await closed.get() == "a message was not finished in time")
        }
    }

    @Test("connections do not delay each other")
    func independence() async throws {
        try await SocketServer.with { server in
            let held = try await server.expectHold()
            let slow = try RawClient(server.address)
            try slow.send(hold + echo + "{")
            _ = try await held.get()
            let connection = try await server.connect()
            _ = try await connection.call("org.example.test.Echo", parameters: Array(#"{"text":"x"}"#.utf8))
            #expect(try await server.service { $0.held.count } == 1)
        }
    }

    @Test func manyIdleConnections() async throws {
        try await SocketServer.with { server in
            var idle: [VarlinkConnection] = []
            for _ in 0..<200 { idle.append(try await server.connect()) }
            let reply = try await server.connect().call("org.varlink.service.GetInfo")
            #expect(try reply.parameters.string("vendor") == "Example")
            #expect(try await server.connectionCount() >= 200)
            for connection in idle { #expect(connection.isOpen) }
        }
    }

    @Test func tooManyConnections() async throws {
        try await SocketServer.with(limits: limits { $0.connections = 2 }) { server in
            let one = try await server.connect()
            let other = try await server.connect()
            _ = try await one.call("org.varlink.service.GetInfo")
            _ = try await other.call("org.varlink.service.GetInfo")
            let third = try RawClient(server.address)
            #expect(try third.readToEnd().isEmpty)
            _ = try await one.call("org.varlink.service.GetInfo")
            let closed = try await server.expectClose()
            await other.close()
            _ = try await closed.get()
            // The loop sees the end of a connection before it lowers the count.
            while try await server.connectionCount() > 1 {}
            _ = try await server.connect().call("org.varlink.service.GetInfo")
        }
    }

    @Test func refusedPeers() async throws {
        try await SocketServer.with(admit: { _ in nil }) { server in
            let client = try RawClient(server.address)
            #expect(try client.readToEnd().isEmpty)
            #expect(try await server.service { $0.log } == [])
        }
    }

    @Test func peersAreKnownByTheirCredentials() async throws {
        let admit: @Sendable (CInt) -> String? = { VarlinkPeerCredentials(descriptor: $0).map { "uid \($0.uid) pid \($0.pid)" } }
        try await SocketServer.with(admit: admit) { server in
            let connection = try await server.connect()
            _ = try await connection.call("org.varlink.service.GetInfo")
            let own = connection.server
            #expect(try await server.service { $0.log } == ["opened uid \(own.uid) pid \(own.pid)"])
            #expect(own.pid > 0)
        }
        #expect(VarlinkPeerCredentials(descriptor: -1) == nil)
    }

    @Test func shutDown() async throws {
        try await SocketServer.with { server in
            let held = try await server.expectHold()
            let client = try RawClient(server.address)
            try client.send(hold + echo)
            _ = try await held.get()
            async let stopped: Void = server.shutDown(within: .seconds(60))
            // The call is in progress, so the shutdown is not over before it is answered.
            while (try? RawClient(server.address)) != nil {}
            try await server.service { $0.release() }
            try await stopped
            #expect(try client.readToEnd() == [#"{"parameters":{"text":"held"}}"#, #"{"parameters":{"text":"x"}}"#])
        }
    }
}
