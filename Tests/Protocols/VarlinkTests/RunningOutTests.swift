import Foundation
import Glibc
import NIOCore
import NIOEmbedded
import NIOPosix
import Synchronization
import Testing

@testable import Varlink

/// No free descriptors, no room in the listener's queue.
@Suite struct RunningOutTests {
    private struct ReadsSeen {
        let channel = EmbeddedChannel()
        let reads = ReadCounter()
        let pacing: AcceptPacing
        let pauses: Pauses

        final class Pauses { var all: [Int64] = [] }

        init() throws {
            let pauses = Pauses()
            self.pauses = pauses
            pacing = AcceptPacing { _, pause in pauses.all.append(pause.nanoseconds / 1_000_000) }
            try channel.pipeline.syncOperations.addHandlers([reads, pacing])
        }

        func fail(_ code: CInt) { channel.pipeline.fireErrorCaught(IOError(errnoCode: code, reason: "accept")) }

        /// Whether a read is passed on.
        func tries() -> Bool {
            let before = reads.count
            channel.read()
            return reads.count > before
        }
    }

    @Test("a listener without descriptors pauses, longer each time, up to a second")
    func acceptBacksOff() throws {
        let listener = try ReadsSeen()
        #expect(listener.tries())
        for expected: Int64 in [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000] {
            listener.fail(EMFILE)
            #expect(listener.pauses.all.last == expected)
            let before = listener.reads.count
            #expect(!listener.tries())
            listener.channel.embeddedEventLoop.advanceTime(by: .milliseconds(expected - 1))
            #expect(listener.reads.count == before)
            listener.channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
            #expect(listener.reads.count == before + 1)
        }
    }

    @Test("it resumes at once when a connection is closed, and starts with the short pause again after one was accepted")
    func acceptResumes() throws {
        let listener = try ReadsSeen()
        listener.fail(ENFILE)
        listener.fail(ENFILE)
        #expect(listener.pauses.all == [10])
        #expect(!listener.tries())
        let before = listener.reads.count
        listener.pacing.resume()
        #expect(listener.reads.count == before + 1)
        listener.fail(ENOMEM)
        #expect(listener.pauses.all == [10, 20])
        listener.pacing.resume()
        listener.channel.pipeline.fireChannelRead("a connection")
        listener.fail(ENOBUFS)
        #expect(listener.pauses.all == [10, 20, 10])
    }

    /// A listening socket in its own folder.
    private final class Listening {
        let descriptor: CInt
        let address: VarlinkAddress
        private let folder: String

        init(backlog: CInt) throws {
            var template = Array("\(FileManager.default.temporaryDirectory.path)/varlink-test-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw SocketServer.SetUpFailed() }
            folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard let address = VarlinkAddress(path: folder + "/s") else { throw SocketServer.SetUpFailed() }
            self.address = address
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            let bound = Listening.withName(address) { bind(descriptor, $0, $1) }
            guard bound == 0, listen(descriptor, backlog) == 0 else { throw SocketServer.SetUpFailed() }
        }

        deinit {
            unlink(address.path)
            rmdir(folder)
        }

        static func withName(_ address: VarlinkAddress, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
            var name = sockaddr_un()
            name.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: address.path.utf8) }
            return withUnsafePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
            }
        }

        /// A non-blocking connection; -1 if the queue is full.
        static func connect(_ address: VarlinkAddress) -> CInt {
            let client = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            if withName(address, { Glibc.connect(client, $0, $1) }) == 0 { return client }
            close(client)
            return -1
        }
    }

    /// - Parameter admit: called for each connection that is admitted.
    private static func server(
        on listening: Listening, _ loop: any EventLoop, admit: @escaping @Sendable () -> String
    ) async throws -> NIOLoopBound<VarlinkServer<TestService>> {
        let descriptor = listening.descriptor
        return try await loop.flatSubmit { () -> EventLoopFuture<NIOLoopBound<VarlinkServer<TestService>>> in
            do {
                let server = VarlinkServer(service: try TestService(), eventLoop: loop) { _ in admit() }
                let bound = NIOLoopBound(server, eventLoop: loop)
                return server.listen(on: descriptor, backlog: 4_096).map { bound }
            } catch { return loop.makeFailedFuture(error) }
        }.get()
    }

    @Test("200 connections wait for a busy server: the backlog is the requested one")
    func backlog() async throws {
        let listening = try Listening(backlog: 4_096)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let server = try await Self.server(on: listening, loop) { "peer" }
        let busy = DispatchLatch()
        loop.execute { busy.wait() }
        var clients: [CInt] = []
        for _ in 0..<200 { clients.append(Listening.connect(listening.address)) }
        busy.open()
        #expect(clients.filter { $0 < 0 }.count == 0)
        for client in clients where client >= 0 { close(client) }
        try await loop.flatSubmit { server.value.shutDown(within: .zero) }.get()
        try await group.shutdownGracefully()
    }

    @Test("connections that were closed before their turn are dropped without being admitted")
    func closedWhileWaiting() async throws {
        let listening = try Listening(backlog: 4_096)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next(), admitted = Mutex(0)
        let server = try await Self.server(on: listening, loop) {
            admitted.withLock { $0 += 1 }
            return "peer"
        }
        let busy = DispatchLatch()
        loop.execute { busy.wait() }
        for _ in 0..<500 { close(Listening.connect(listening.address)) }
        // A client that sent a call and closed its half is still there, and must get a reply.
        let client = try RawClient(listening.address)
        try client.send(#"{"method":"org.example.test.Echo","parameters":{"text":"a"}}|"#)
        client.endOutput()
        busy.open()
        #expect(try client.readToEnd() == [#"{"parameters":{"text":"a"}}"#])
        #expect(admitted.withLock { $0 } == 1)
        try await loop.flatSubmit { server.value.shutDown(within: .zero) }.get()
        try await group.shutdownGracefully()
    }

    @Test("users are admitted in turn, each in the order of its own connections")
    func admissionTurns() {
        var queue = AdmissionQueue<Int>()
        for waiter in 0..<6 { queue.append(waiter, of: 1) }
        queue.append(10, of: 2)
        #expect(queue.next() == 0)
        queue.append(20, of: 3)
        queue.append(11, of: 2)
        #expect(queue.count == 8 && queue.count(of: 1) == 5 && queue.count(of: 2) == 2 && queue.count(of: 9) == 0)
        var order: [Int] = []
        while let waiter = queue.next() { order.append(waiter) }
        #expect(order == [10, 1, 20, 11, 2, 3, 4, 5])
        #expect(queue.count == 0 && queue.count(of: 1) == 0)
    }

    @Test("a client waits for room in the listener's queue instead of failing at once")
    func clientWaits() async throws {
        let listening = try Listening(backlog: 0)
        let descriptor = listening.descriptor, address = listening.address
        var waiting: [CInt] = []
        while let client = Optional(Listening.connect(address)), client >= 0 { waiting.append(client) }
        #expect(!waiting.isEmpty)
        async let connected = VarlinkConnection.connect(to: address, timeout: .seconds(10))
        try await Task.sleep(for: .milliseconds(100))
        // Not with a blocking accept: if the client gives up, it would never return.
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        var accepted: [CInt] = []
        for _ in 0..<1_000 where accepted.count < 2 {
            let client = accept(descriptor, nil, nil)
            if client >= 0 { accepted.append(client) } else { try await Task.sleep(for: .milliseconds(10)) }
        }
        let connection = try await connected
        #expect(connection.isOpen)
        await connection.close()
        for client in waiting + accepted + [descriptor] { close(client) }
    }

    @Test func clientGivesUpWhenItsTimeIsOver() async throws {
        let listening = try Listening(backlog: 0)
        var waiting: [CInt] = []
        while let client = Optional(Listening.connect(listening.address)), client >= 0 { waiting.append(client) }
        await #expect(throws: ChannelError.self) {
            _ = try await VarlinkConnection.connect(to: listening.address, timeout: .milliseconds(100))
        }
        for client in waiting + [listening.descriptor] { close(client) }
    }

    /// A latch between threads.
    private final class DispatchLatch: Sendable {
        private let ends: (CInt, CInt)

        init() {
            var pair: [CInt] = [0, 0]
            _ = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair)
            ends = (pair[0], pair[1])
        }

        deinit {
            close(ends.0)
            close(ends.1)
        }

        func wait() {
            var byte: UInt8 = 0
            _ = read(ends.0, &byte, 1)
        }

        func open() {
            var byte: UInt8 = 1
            _ = write(ends.1, &byte, 1)
        }
    }
}
