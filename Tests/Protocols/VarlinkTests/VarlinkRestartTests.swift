import Foundation
import Glibc
import NIOCore
import NIOPosix
import Testing
import Varlink

/// Servers that follow each other on one listening socket, which somebody else holds, as systemd does.
@Suite struct VarlinkRestartTests {
    private let echo = #"{"method":"org.example.test.Echo","parameters":{"text":"x"}}|"#
    private let echoed = #"{"parameters":{"text":"x"}}"#

    /// A client that an array can hold.
    private final class Client {
        private let raw: RawClient

        init(_ address: VarlinkAddress) throws { raw = try RawClient(address) }
        func send(_ text: String) throws { try raw.send(text) }
        func readToEnd() throws -> [String] { try raw.readToEnd() }
        func readSome() throws -> [UInt8]? { try raw.readSome() }
    }

    private struct SetUpFailed: Error {}

    /// Waits until it is so, for a minute at most.
    private func until(_ isSo: () async throws -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(60)
        while try await !isSo() {
            try #require(ContinuousClock.now < end)
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// A listening socket in a folder of its own.
    private func withSocket(_ body: (_ address: VarlinkAddress, _ descriptor: CInt) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/varlink-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let path = folder + "/s"
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard bound == 0, listen(descriptor, 4096) == 0, let address = VarlinkAddress(path: path) else { throw SetUpFailed() }
        try await body(address, descriptor)
    }

    private struct Server: Sendable {
        let loop: any EventLoop
        let bound: NIOLoopBound<VarlinkServer<TestService>>
        let service: NIOLoopBound<TestService>

        /// On a copy of the descriptor.
        static func start(on descriptor: CInt, limits: VarlinkServerLimits = VarlinkServerLimits()) async throws -> Server {
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            return try await loop.flatSubmit {
                do {
                    let service = try TestService()
                    let server = VarlinkServer(service: service, eventLoop: loop, limits: limits) { _ in "peer" }
                    let made = Server(
                        loop: loop, bound: NIOLoopBound(server, eventLoop: loop), service: NIOLoopBound(service, eventLoop: loop))
                    return server.listen(on: copy).map { made }
                } catch {
                    return loop.makeFailedFuture(error)
                }
            }.get()
        }

        func connectionCount() async throws -> Int { try await loop.submit { bound.value.connectionCount }.get() }

        func stop(within time: TimeAmount = .seconds(60)) async throws {
            try await loop.flatSubmit { bound.value.shutDown(within: time) }.get()
        }
    }

    @Test("each call is answered by the server before or by the one after")
    func noCallIsLost() async throws {
        try await withSocket { address, descriptor in
            let server = try await Server.start(on: descriptor)
            func calling(_ count: Int) throws -> [Client] {
                try (0..<count).map { _ in
                    let client = try Client(address)
                    try client.send(echo)
                    return client
                }
            }
            // Some have been admitted, some have been accepted and wait.
            var clients = try calling(80)
            // Some are not accepted: the loop does nothing else before it stops.
            let gate = DispatchSemaphore(value: 0), reached = DispatchSemaphore(value: 0)
            defer { gate.signal() }
            server.loop.execute {
                reached.signal()
                gate.wait()
            }
            func waitForLoop() { reached.wait() }
            waitForLoop()
            clients += try calling(40)
            let stopped = server.loop.flatSubmit { server.bound.value.shutDown(within: .seconds(60)) }
            gate.signal()
            try await stopped.get()
            let next = try await Server.start(on: descriptor)
            // Those that were answered by the first one are closed. The others may stay open.
            for client in clients {
                let bytes = try client.readSome()
                #expect(bytes.map { String(decoding: $0.dropLast(), as: UTF8.self) } == echoed)
            }
            let service = next.service
            #expect(try await next.loop.submit { service.value.log.contains("Echo") }.get())
            try await next.stop(within: .zero)
        }
    }

    @Test("a client that has connected may send its first call after the server was told to stop")
    func aFirstCallIsAwaited() async throws {
        try await withSocket { address, descriptor in
            var limits = VarlinkServerLimits()
            limits.firstCallWhileStopping = .seconds(60)
            let server = try await Server.start(on: descriptor, limits: limits)
            let clients = try (0..<20).map { _ in try Client(address) }
            try await until { try await server.connectionCount() == clients.count }
            async let stopped: Void = server.stop()
            try await Task.sleep(for: .milliseconds(20))
            for client in clients { try client.send(echo) }
            for client in clients { #expect(try client.readToEnd() == [echoed]) }
            try await stopped
        }
    }

    @Test("a call that is sent while another one is being answered costs neither its answer")
    func aCallDuringACallIsAnswered() async throws {
        try await withSocket { address, descriptor in
            var limits = VarlinkServerLimits()
            limits.firstCallWhileStopping = .seconds(60)
            let server = try await Server.start(on: descriptor, limits: limits)
            let client = try Client(address)
            try client.send(#"{"method":"org.example.test.Hold","parameters":{"text":"x"}}|"#)
            let service = server.service
            try await until { try await server.loop.submit { service.value.held.count == 1 }.get() }
            async let stopped: Void = server.stop()
            try await Task.sleep(for: .milliseconds(50))
            try client.send(echo)
            try await server.loop.submit { service.value.release() }.get()
            #expect(try client.readToEnd() == [echoed, echoed])
            try await stopped
        }
    }

    @Test("a client learns that its next call was not accepted")
    func aLaterCallFails() async throws {
        try await withSocket { address, descriptor in
            let server = try await Server.start(on: descriptor)
            let client = try Client(address)
            try client.send(echo)
            #expect(try client.readSome() != nil)
            try await server.stop()
            #expect(throws: RawClient.Failed.self) { try client.send(echo) }
            #expect(try client.readToEnd().isEmpty)
        }
    }

    @Test("a client that never calls delays a stop for no longer than it may")
    func silenceEnds() async throws {
        try await withSocket { address, descriptor in
            var limits = VarlinkServerLimits()
            limits.firstCallWhileStopping = .milliseconds(50)
            let server = try await Server.start(on: descriptor, limits: limits)
            let client = try Client(address)
            try await until { try await server.connectionCount() == 1 }
            let began = ContinuousClock.now
            try await server.stop()
            #expect(ContinuousClock.now - began < .seconds(30))
            #expect(try client.readToEnd().isEmpty)
        }
    }
}
