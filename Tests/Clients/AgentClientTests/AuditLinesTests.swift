import Foundation
import Glibc
import Synchronization
import Testing

@testable import AgentClient

/// Lines of the audit trail, from an agent that sends them as fast as they are taken. AgentServiceTests has real ones.
@Suite struct AuditLinesTests {
    /// Answers one call with replies without an end.
    private final class FloodingServer: Sendable {
        static let line = String(repeating: "x", count: 4_000)
        private let listener: Int32
        /// Bytes that the kernel has taken.
        private let written = Atomic<Int>(0)
        var taken: Int { written.load(ordering: .relaxed) }

        init(path: String) throws {
            let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8).prefix($0.count - 1)) }
            let size = socklen_t(MemoryLayout<sockaddr_un>.size)
            let isBound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, size) == 0 }
            }
            try #require(isBound && listen(listener, 1) == 0)
            self.listener = listener
            Thread.detachNewThread { [self] in flood() }
        }

        private func flood() {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { return }
            defer { close(connection) }
            var call = [UInt8](repeating: 0, count: 4_096)
            guard recv(connection, &call, call.count, 0) > 0 else { return }
            let reply = Array(#"{"parameters":{"records":["\#(Self.line)"]},"continues":true}"#.utf8) + [0]
            var rest = reply[...]
            while true {
                // Until the client has left.
                let count = rest.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard count > 0 else { return }
                written.add(count, ordering: .relaxed)
                rest = rest.dropFirst(count)
                if rest.isEmpty { rest = reply[...] }
            }
        }

        func end() { shutdown(listener, Int32(SHUT_RDWR)) }
    }

    @Test(.timeLimit(.minutes(1))) func aReaderThatDoesNotReadHoldsTheAgentBack() async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/lines-\(UUID().uuidString.prefix(13))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let server = try FloodingServer(path: folder + "/agent.sock")
        defer { server.end() }
        let agent = try await AgentClient.connect(socket: folder + "/agent.sock")
        var lines = agent.audit(last: 1, follow: true).makeAsyncIterator()
        let first = try await lines.next()
        #expect(first == FloodingServer.line)
        // Until the agent cannot write any more: sixteen replies and what two sockets hold, not all that it has.
        var taken = -1
        while taken != server.taken {
            taken = server.taken
            try #require(taken < 4 << 20)
            try await Task.sleep(for: .milliseconds(200))
        }
        // And it goes on when the reader does.
        for _ in 0..<2_000 {
            let next = try await lines.next()
            try #require(next == FloodingServer.line)
        }
        #expect(server.taken > taken)
        await agent.close()
    }
}
