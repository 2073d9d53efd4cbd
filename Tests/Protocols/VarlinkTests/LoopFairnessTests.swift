import Foundation
import Glibc
import NIOCore
import NIOPosix
import StrictJSON
import Synchronization
import Testing

@testable import Varlink

/// One user does its worst while another calls now and then: how long the other's calls stay in the server, measured
/// inside. The times depend on the machine, so these tests run only on request.
@Suite(.serialized, .enabled(if: getenv("ACME_AGENT_LONG_TESTS") != nil))
struct LoopFairnessTests {
    /// What the bad user sends repeatedly, and on how many connections.
    struct Load: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let connections: Int
        let message: String
        /// Bytes sent at once.
        var piece = 65_536
        var readsReplies = true
    }

    static let loads = [
        Load(
            testDescription: "calls that want no answer", connections: 50,
            message: #"{"method":"org.example.test.Echo","oneway":true,"parameters":{"text":"x"}}|"#),
        Load(testDescription: "invalid calls", connections: 50, message: #"{"method":"org.example.test.Echo","x":1}|"#),
        Load(
            testDescription: "invalid calls that want no answer", connections: 50,
            message: #"{"method":"org.example.test.Echo","oneway":true,"x":1}|"#),
        Load(
            testDescription: "byte by byte", connections: 200, message: #"{"method":"org.example.test.Echo","parameters":{"text":"x"}}|"#,
            piece: 1),
        Load(
            testDescription: "long answers unread", connections: 150,
            message:
                #"{"method":"org.example.test.Stream","more":true,"parameters":{"count":100000,"size":50000,"politely":true}}|"#,
            readsReplies: false),
        Load(
            testDescription: "long calls", connections: 50,
            message: #"{"method":"org.example.test.Echo","parameters":{"text":"\#(String(repeating: "x", count: 100_000))"}}|"#),
    ]

    private final class UserService: VarlinkService {
        let info = VarlinkServiceInfo(vendor: "", product: "", version: "", url: "")
        let interfaces: [VarlinkInterface]
        private let inner: TestService

        init() throws {
            inner = try TestService()
            interfaces = inner.interfaces
        }

        func user(of peer: UInt64) -> UInt64 { peer }
        func handle(_ call: VarlinkCall, peer: UInt64, reply: VarlinkReplier) { inner.handle(call, peer: "", reply: reply) }
    }

    @Test(arguments: loads)
    func anotherUsersCallsTakeAtMostTwiceAsLong(load: Load) async throws {
        var template = Array("\(FileManager.default.temporaryDirectory.path)/varlink-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SocketServer.SetUpFailed() }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            unlink(folder + "/s")
            rmdir(folder)
        }
        guard let address = VarlinkAddress(path: folder + "/s") else { throw SocketServer.SetUpFailed() }
        let rounds = LoopRounds(), thread = TurnThread(), latency = VarlinkLatency(), user = Atomic<UInt64>(1)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1, metricsDelegate: rounds)
        let loop = group.next()
        let server = try await loop.flatSubmit { () -> EventLoopFuture<NIOLoopBound<VarlinkServer<UserService>>> in
            do {
                let server = VarlinkServer(service: try UserService(), eventLoop: loop, rounds: rounds, thread: thread) { _ in
                    user.load(ordering: .relaxed)
                }
                server.latency = latency
                let bound = NIOLoopBound(server, eventLoop: loop)
                return server.listen(at: address).map { bound }
            } catch { return loop.makeFailedFuture(error) }
        }.get()
        let good = try RawClient(address)
        try call(good, 100)
        latency.reset()
        try call(good, 500)
        let alone = try #require(latency.summaries.first { $0.user == 1 })

        user.store(2, ordering: .relaxed)
        let stop = Atomic(false), flooding = Atomic(false)
        let flood = Flood(load, address)
        let flooder = PThread { flood.run(until: { stop.load(ordering: .relaxed) }, begun: { flooding.store(true, ordering: .relaxed) }) }
        while !flooding.load(ordering: .relaxed) { try await Task.sleep(for: .milliseconds(5)) }
        try await Task.sleep(for: .milliseconds(200))
        latency.reset()
        try call(good, 500)
        let beside = try #require(latency.summaries.first { $0.user == 1 })
        stop.store(true, ordering: .relaxed)
        flooder.join()
        print(
            "\(load.testDescription): p50 \(alone.p50 / 1_000) -> \(beside.p50 / 1_000) µs, p99 \(alone.p99 / 1_000) -> \(beside.p99 / 1_000) µs, "
                + "longest \(beside.longest / 1_000) µs")
        try await loop.flatSubmit { server.value.shutDown(within: .zero) }.get()
        #expect(try await loop.submit { server.value.heldBytes }.get() == 0)
        try await group.shutdownGracefully()
        try thread.stop()
        // Two time slices besides the ratio: a thread of the load may have the CPU.
        #expect(beside.p99 <= max(2 * alone.p99, alone.p99 + 100_000))
    }

    private func call(_ client: borrowing RawClient, _ count: Int) throws {
        for _ in 0..<count {
            try client.send(#"{"method":"org.example.test.Echo","parameters":{"text":"x"}}|"#)
            _ = try client.readSome()
            usleep(1_000)
        }
    }

    /// The bad user's connections, on one thread.
    private final class Flood: Sendable {
        private let descriptors: [CInt]
        private let load: Load

        init(_ load: Load, _ address: VarlinkAddress) {
            self.load = load
            descriptors = (0..<load.connections).map { _ in
                let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
                var name = sockaddr_un()
                name.sun_family = sa_family_t(AF_UNIX)
                withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: address.path.utf8) }
                _ = withUnsafePointer(to: &name) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                    }
                }
                return descriptor
            }
        }

        deinit { for descriptor in descriptors { close(descriptor) } }

        func run(until isOver: () -> Bool, begun: () -> Void) {
            let one = load.message.utf8.map { $0 == UInt8(ascii: "|") ? 0 : $0 }
            var bytes = one
            while bytes.count < 4 * load.piece, load.piece > 1 { bytes += one }
            var places = [Int](repeating: 0, count: descriptors.count)
            var buffer = [UInt8](repeating: 0, count: 65_536)
            var rounds = 0
            while !isOver() {
                for (index, descriptor) in descriptors.enumerated() {
                    let piece = bytes[places[index]..<min(places[index] + load.piece, bytes.count)]
                    let sent = piece.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)) }
                    if sent > 0 { places[index] = (places[index] + sent) % bytes.count }
                    if load.readsReplies { _ = recv(descriptor, &buffer, buffer.count, CInt(MSG_DONTWAIT)) }
                }
                rounds += 1
                if rounds == 2 { begun() }
            }
        }
    }

    private final class PThread: @unchecked Sendable {
        private final class Box: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }

        private var thread = pthread_t()

        init(_ body: @escaping @Sendable () -> Void) {
            pthread_create(
                &thread, nil,
                { argument in
                    if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body() }
                    return nil
                }, Unmanaged.passRetained(Box(body)).toOpaque())
        }

        func join() { pthread_join(thread, nil) }
    }
}
