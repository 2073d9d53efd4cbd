import Glibc
import NIOCore
import StrictJSON
import Synchronization
import Testing
import Varlink

/// The client's end, against the server's.
@Suite struct VarlinkConnectionTests {
    private func parameters(_ text: String) -> [UInt8] { Array("{\"text\":\"\(text)\"}".utf8) }

    private func streamParameters(_ count: Int, _ size: Int) -> [UInt8] {
        Array(#"{"count":\#(count),"size":\#(size),"politely":true}"#.utf8)
    }

    @Test func repliesAndErrors() async throws {
        try await SocketServer.with { server in
            let connection = try await server.connect()
            let reply = try await connection.call("org.example.test.Echo", parameters: parameters("é"), timeout: .seconds(10))
            #expect(try reply.parameters.string("text") == "é")
            let refused = await #expect(throws: VarlinkError.self) { try await connection.call("org.example.test.Refuse") }
            #expect(refused?.name == "org.example.test.Refused")
            #expect(try refused?.parameters.string("why") == "because")
            let missing = await #expect(throws: VarlinkError.self) { try await connection.call("org.example.test.Missing") }
            #expect(missing?.name == VarlinkError.Standard.methodNotFound)
            #expect(missing?.subject == "org.example.test.Missing")
            #expect(missing?.description == #"org.varlink.service.MethodNotFound {"method":"org.example.test.Missing"}"#)
            await #expect(throws: VarlinkConnectionError.self) { try await connection.call("nonsense") }
            try await connection.callOneway("org.example.test.Refuse")
            _ = try await connection.call("org.example.test.Echo", parameters: parameters("x"))
            await connection.close()
            #expect(!connection.isOpen)
            await #expect(throws: VarlinkConnectionError.self) { try await connection.call("org.varlink.service.GetInfo") }
            await #expect(throws: VarlinkConnectionError.self) { try await connection.callOneway("org.varlink.service.GetInfo") }
        }
    }

    @Test("many tasks share a connection, and each gets its own reply")
    func pipelining() async throws {
        try await SocketServer.with { server in
            let connection = try await server.connect()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<8 {
                    group.addTask {
                        for number in 0..<50 {
                            let text = "\(task)/\(number)"
                            let reply = try await connection.call("org.example.test.Echo", parameters: parameters(text))
                            #expect(try reply.parameters.string("text") == text)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func completions() async throws {
        try await SocketServer.with { server in
            let connection = try await server.connect()
            let promise = connection.eventLoop.makePromise(of: VarlinkReply.self)
            connection.call("org.example.test.Echo", parameters: parameters("x"), timeout: .seconds(10)) { promise.completeWith($0) }
            #expect(try await promise.futureResult.get().parameters.string("text") == "x")
            let invalid = connection.eventLoop.makePromise(of: VarlinkReply.self)
            connection.call("x") { invalid.completeWith($0) }
            await #expect(throws: VarlinkConnectionError.self) { try await invalid.futureResult.get() }
        }
    }

    @Test("a reply that comes too late is not taken for another call's")
    func timeout() async throws {
        try await SocketServer.with { server in
            let connection = try await server.connect()
            let held = try await server.expectHold()
            await #expect(throws: VarlinkConnectionError.self) {
                try await connection.call("org.example.test.Hold", parameters: parameters("late"), timeout: .milliseconds(20))
            }
            _ = try await held.get()
            async let next = connection.call("org.example.test.Echo", parameters: parameters("next"))
            try await server.service { $0.release() }
            #expect(try await next.parameters.string("text") == "next")
        }
    }

    @Test func taskCancellation() async throws {
        try await SocketServer.with { server in
            let connection = try await server.connect()
            let held = try await server.expectHold()
            let task = Task { try await connection.call("org.example.test.Hold", parameters: parameters("late")) }
            _ = try await held.get()
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            let early = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await connection.call("org.example.test.Echo", parameters: parameters("never"))
            }
            await #expect(throws: CancellationError.self) { try await early.value }
            try await server.service { $0.release() }
            #expect(
                try await connection.call("org.example.test.Echo", parameters: parameters("next")).parameters.string("text") == "next")
        }
    }

    @Test func more() async throws {
        try await SocketServer.with { server in
            let connection = try await server.connect()
            var numbers: [Int64] = []
            var continues: [Bool] = []
            for try await reply in try connection.callMore("org.example.test.Stream", parameters: streamParameters(5, 1)) {
                numbers.append(try reply.parameters.integer("number"))
                continues.append(reply.continues)
            }
            #expect(numbers == [1, 2, 3, 4, 5])
            #expect(continues == [true, true, true, true, false])
            await #expect(throws: VarlinkError.self) {
                for try await _ in try connection.callMore("org.example.test.Refuse") {}
            }
            _ = try await connection.call("org.varlink.service.GetInfo")
        }
    }

    @Test("a stream nobody reads stops at the service; read, it is complete")
    func backPressure() async throws {
        try await SocketServer.with { server in
            let connection = try await server.connect()
            let waiting = try await server.expect { service, report in service.onWait = { report("waits") } }
            let replies = try connection.callMore("org.example.test.Stream", parameters: streamParameters(80, 100_000)).makeAsyncIterator()
            _ = try await waiting.get()
            #expect(try await server.service { $0.streamed } < 60)
            for number in 1...80 { #expect(try await replies.next()?.parameters.integer("number") == Int64(number)) }
            let end = try await replies.next()
            #expect(end?.continues == nil)
        }
    }

    @Test("replies that a server sent before it closed reach a slow reader")
    func serverClosesBehindAStream() async throws {
        try await SocketServer.with { server in
            let connection = try await server.connect()
            let replies = try connection.callMore("org.example.test.Stream", parameters: streamParameters(60, 1000)).makeAsyncIterator()
            #expect(try await replies.next() != nil)
            let closed = connection.eventLoop.makePromise(of: VarlinkReply.self)
            let held = try await server.expectHold()
            connection.call("org.example.test.Hold", parameters: parameters("x")) { closed.completeWith($0) }
            _ = try await held.get()
            try await server.shutDown(within: .zero)
            for number in 2...60 { #expect(try await replies.next()?.parameters.integer("number") == Int64(number)) }
            let end = try await replies.next()
            #expect(end?.continues == nil)
            await #expect(throws: VarlinkConnectionError.self) { try await closed.futureResult.get() }
        }
    }

    @Test("leaving a stream closes the connection, which tells the service")
    func leavingAStream() async throws {
        try await SocketServer.with { server in
            let closed = try await server.expectClose()
            let connection = try await server.connect()
            for try await reply in try connection.callMore("org.example.test.Stream", parameters: streamParameters(100_000, 10_000)) {
                if try reply.parameters.integer("number") == 3 { break }
            }
            let reason = try await closed.get()
            #expect(reason == "the client disconnected before it was answered")
            await #expect(throws: VarlinkConnectionError.self) { try await connection.call("org.varlink.service.GetInfo") }
        }
    }

    @Test func serverGoesAway() async throws {
        try await SocketServer.with { server in
            let connection = try await server.connect()
            let held = try await server.expectHold()
            let call = Task { try await connection.call("org.example.test.Hold", parameters: parameters("x")) }
            _ = try await held.get()
            try await server.shutDown(within: .zero)
            await #expect(throws: VarlinkConnectionError.self) { try await call.value }
        }
    }

    @Test("the connection to an unexpected server is closed before anything is sent")
    func verification() async throws {
        struct NotExpected: Error {}
        let admitted = Atomic(false)
        let admit: @Sendable (CInt) -> String? = { _ in
            admitted.store(true, ordering: .releasing)
            return "peer"
        }
        try await SocketServer.with(admit: admit) { server in
            let closed = try await server.expectClose()
            await #expect(throws: NotExpected.self) {
                try await VarlinkConnection.connect(to: server.address) { _, descriptor in
                    #expect(descriptor >= 0)
                    // A connection that is closed before the server has accepted it is dropped without a report.
                    for _ in 0..<10_000 where !admitted.load(ordering: .acquiring) { usleep(1_000) }
                    throw NotExpected()
                }
            }
            #expect(try await closed.get() == "the client closed the connection")
            let connection = try await VarlinkConnection.connect(to: server.address) { credentials, _ in
                #expect(credentials.pid > 0)
            }
            _ = try await connection.call("org.varlink.service.GetInfo")
        }
    }

    @Test func nobodyListens() async throws {
        let address = try #require(VarlinkAddress(path: "/tmp/varlink-test-nobody"))
        await #expect(throws: (any Error).self) { try await VarlinkConnection.connect(to: address) }
    }
}
