import ACME
import Glibc
import NIOCore
import NIOPosix
import Testing

@testable import Issuance

@Suite struct InheritedSocketsTests {
    /// Listening sockets in descriptors one after another, as systemd hands them over.
    private final class Sockets {
        private(set) var first: Int32 = -1
        private(set) var ports: [Int] = []
        private var count: Int32 = 0

        /// - Parameter families: `AF_INET` or `AF_INET6` for each.
        init(_ families: [Int32], type: __socket_type = SOCK_STREAM, listening: Bool = true) throws {
            for family in families {
                let descriptor = socket(family, Int32(type.rawValue), 0)
                defer { close(descriptor) }
                let address = try SocketAddress(ipAddress: family == AF_INET ? "127.0.0.1" : "::1", port: 0)
                try #require(address.withSockAddr { bind(descriptor, $0, socklen_t($1)) } == 0)
                if listening { try #require(listen(descriptor, 16) == 0) }
                var bound = sockaddr_in6()
                var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
                // The port is at the same place in both families' addresses.
                let named = withUnsafeMutablePointer(to: &bound) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
                }
                try #require(named == 0)
                ports.append(Int(bound.sin6_port.bigEndian))
                let wanted = first < 0 ? 600 : first + count
                let moved = fcntl(descriptor, F_DUPFD_CLOEXEC, wanted)
                if first < 0 { first = moved }
                count += 1
                try #require(moved == first + count - 1)
            }
        }

        deinit { for descriptor in first..<(first + count) { close(descriptor) } }

        func handedOver(_ names: String?, count: String? = nil, process: String = "\(getpid())") -> InheritedSockets {
            let variables = ["LISTEN_FDS": count ?? "\(self.count)", "LISTEN_PID": process, "LISTEN_FDNAMES": names]
            return InheritedSockets(first: first) { variables[$0] ?? nil }
        }
    }

    private func get(_ port: Int, host: String = "127.0.0.1") async throws -> String {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: "GET /.well-known/acme-challenge/dG9rZW4 HTTP/1.1\r\nHost: x\r\n\r\n"))
            var answer = ""
            for try await buffer in inbound { answer += String(buffer: buffer) }
            return answer
        }
    }

    @Test func aSocketServesOneOrderAfterAnother() async throws {
        let sockets = try Sockets([AF_INET6, AF_INET])
        let listener = HTTP01Listener([.inherited("http")], inherited: sockets.handedOver("http:http"))
        for _ in 0..<3 {
            try listener.check()
            try await listener.prepare()
            try await listener.present(try listener.answer())
            #expect(try await get(sockets.ports[0], host: "::1").hasSuffix("\r\n\r\ndG9rZW4.thumb"))
            #expect(try await get(sockets.ports[1]).hasSuffix("\r\n\r\ndG9rZW4.thumb"))
            try await listener.cleanUp(try listener.answer())
            await listener.finish()
        }
        // What comes in between waits for the next order.
        async let early = get(sockets.ports[1])
        try await Task.sleep(for: .milliseconds(20))
        try await listener.prepare()
        #expect(try await early.hasPrefix("HTTP/1.1 404 "))
        await listener.finish()
    }

    @Test func aSocketIsForTLSToo() async throws {
        let sockets = try Sockets([AF_INET6])
        let listener = TLSALPN01Listener([.inherited("\(sockets.first)")], inherited: sockets.handedOver(nil))
        try await listener.prepare()
        try await listener.present(try listener.answer())
        #expect(try await TLSClient.handshake(sockets.ports[0], host: "::1").applicationProtocol == "acme-tls/1")
        await listener.finish()
    }

    @Test func theNameOrNumberIsLookedUp() throws {
        let sockets = try Sockets([AF_INET, AF_INET])
        let first = sockets.first
        #expect(try sockets.handedOver("http:tls").descriptors("tls") == [first + 1])
        #expect(try sockets.handedOver("http:tls").descriptors("\(first)") == [first])
        #expect(try sockets.handedOver("same:same").descriptors("same") == [first, first + 1])
        #expect(try sockets.handedOver(nil).descriptors("unknown") == [first, first + 1])
        #expect(try sockets.handedOver("one").descriptors("unknown") == [first, first + 1])
    }

    @Test func whatIsNotHandedOverIsExplained() throws {
        let sockets = try Sockets([AF_INET])
        func fault(_ sockets: InheritedSockets, _ name: String = "http") -> InheritedSockets.Fault? {
            do throws(InheritedSockets.Fault) {
                _ = try sockets.descriptors(name)
                return nil
            } catch { return error }
        }
        let other = fault(sockets.handedOver("a\u{1b}b"))
        #expect(other?.reason.contains("without the socket fd:http; it has fd:a") == true && other?.reason.contains("\u{1b}") == false)
        #expect(other?.hint.contains("FileDescriptorName=http") == true)
        #expect(fault(sockets.handedOver("http", process: "1"))?.hint.contains("exec") == true)
        for count in ["0", "-1", "x", "65", "99999999999999999999", ""] {
            #expect(fault(sockets.handedOver("http", count: count))?.reason.hasSuffix("was started without the socket fd:http") == true)
        }
        for number in ["\(sockets.first - 1)", "\(sockets.first + 1)", "-1", "2147483647", "99999999999"] {
            #expect(fault(sockets.handedOver(nil), number) != nil, "\(number)")
        }
        for bad in [try Sockets([AF_INET], listening: false), try Sockets([AF_INET], type: SOCK_DGRAM, listening: false)] {
            #expect(fault(bad.handedOver("http"))?.hint.contains("ListenStream=") == true)
            #expect(throws: IssuanceError.self) { try HTTP01Listener([.inherited("http")], inherited: bad.handedOver("http")).check() }
        }
    }

    @Test func endpointsAreRead() throws {
        #expect(try ListenEndpoint("fd:http").description == "fd:http")
        #expect(try ListenEndpoint("[::1]:80").description == "[::1]:80")
        for text in ["fd:", "fd:a:b", "fd:a b", "fd:\u{e4}", "fd:" + String(repeating: "x", count: 256), "FD:x"] {
            #expect(throws: IssuanceError.self) { try ListenEndpoint(text) }
        }
    }
}
