import Foundation
import Glibc
import NIOCore
import NIOPosix
import Varlink

/// A server on a real socket in its own folder.
struct SocketServer: Sendable {
    struct SetUpFailed: Error {}

    let address: VarlinkAddress
    let loop: any EventLoop
    private let server: NIOLoopBound<VarlinkServer<TestService>>
    private let service: NIOLoopBound<TestService>

    /// Starts a server, lets the body use it, and removes everything afterwards.
    static func with(
        limits: VarlinkServerLimits = VarlinkServerLimits(), thread: TurnThread? = nil,
        admit: @escaping @Sendable (CInt) -> String? = { _ in "peer" },
        _ body: (SocketServer) async throws -> Void
    ) async throws {
        var template = Array("\(FileManager.default.temporaryDirectory.path)/varlink-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SetUpFailed() }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let path = folder + "/s"
        defer {
            unlink(path)
            rmdir(folder)
        }
        guard let address = VarlinkAddress(path: path) else { throw SetUpFailed() }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let made = try await loop.flatSubmit {
            do {
                let service = try TestService()
                let server = VarlinkServer(service: service, eventLoop: loop, limits: limits, thread: thread, admit: admit)
                let bound = (NIOLoopBound(server, eventLoop: loop), NIOLoopBound(service, eventLoop: loop))
                return server.listen(at: address).map { bound }
            } catch {
                return loop.makeFailedFuture(error)
            }
        }.get()
        let socketServer = SocketServer(address: address, loop: loop, server: made.0, service: made.1)
        do { try await body(socketServer) } catch {
            try await socketServer.shutDown(within: .zero)
            throw error
        }
        try await socketServer.shutDown(within: .zero)
    }

    func connect(limits: VarlinkClientLimits = VarlinkClientLimits()) async throws -> VarlinkConnection {
        try await VarlinkConnection.connect(to: address, limits: limits)
    }

    func shutDown(within time: TimeAmount) async throws {
        try await loop.flatSubmit { server.value.shutDown(within: time) }.get()
    }

    func connectionCount() async throws -> Int { try await loop.submit { server.value.connectionCount }.get() }

    func heldBytes() async throws -> Int { try await loop.submit { server.value.heldBytes }.get() }

    /// Uses the service on its loop.
    func service<Result: Sendable>(_ body: @escaping @Sendable (TestService) throws -> Result) async throws -> Result {
        try await loop.submit { try body(service.value) }.get()
    }

    /// A future for the next time that the service reports something.
    func expect(_ hook: @escaping @Sendable (TestService, _ report: @escaping (String) -> Void) -> Void) async throws
        -> EventLoopFuture<String>
    {
        try await service { service in
            let promise = loop.makePromise(of: String.self)
            hook(service) { promise.succeed($0) }
            return promise.futureResult
        }
    }

    func expectClose() async throws -> EventLoopFuture<String> {
        try await expect { service, report in service.onClose = { report($0.description) } }
    }

    func expectHold() async throws -> EventLoopFuture<String> {
        try await expect { service, report in service.onHold = { report("held") } }
    }
}
