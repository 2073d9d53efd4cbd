import ACME
import Glibc
import TestSupport
import Testing

@testable import ACMEClient

/// What the network does to requests, as AsyncHTTPTransport tells it.
@Suite struct TransportTests {
    private func failure(_ port: UInt16) async throws -> TransportError {
        let transport = try AsyncHTTPTransport(trustRoots: .system, userAgent: "test")
        let url = try ACMEURL("https://127.0.0.1:\(port)/dir")
        do {
            _ = try await transport.send(HTTPRequest(.get, url, responseLimit: 1000))
        } catch {
            await transport.shutdown()
            return try #require(error as? TransportError)
        }
        await transport.shutdown()
        throw Unexpected()
    }
    private struct Unexpected: Error {}

    private func expectPlainWords(_ error: TransportError) {
        for word in ["NIO", "SSL", "errno", "descriptor", "Error", "(", ".cc"] { #expect(!"\(error)".contains(word), "\(error)") }
    }

    @Test func aConnectionThatIsClosedInTheTLSHandshakeIsTransientAndSaysNothingOfRoots() async throws {
        let server = try RudeServer(answer: [])
        let error = try await failure(server.port)
        #expect(error.kind == .unreachable && error.isTransient, "\(error)")
        #expect(error.hint?.contains("certificate") != true)
        expectPlainWords(error)
    }

    @Test func whatSpeaksNoTLSIsNamed() async throws {
        let server = try RudeServer(answer: Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
        let error = try await failure(server.port)
        #expect(error.kind == .tls, "\(error)")
        #expect(error.hint?.contains("root certificate") != true)
        expectPlainWords(error)
    }

    @Test func nobodyListening() async throws {
        let port = try RudeServer(answer: []).port
        let error = try await failure(port)
        #expect(error.kind == .unreachable)
        #expect("\(error)".hasSuffix("https://127.0.0.1:\(port) cannot be reached: Connection refused"), "\(error)")
        expectPlainWords(error)
    }

    @Test func aFileOfRootsThatIsNoneSaysWhy() throws {
        for path in ["/nonexistent/roots.pem", "/etc/hostname"] {
            do {
                _ = try AsyncHTTPTransport(trustRoots: .file(path), userAgent: "test")
                Issue.record("taken")
            } catch {
                let text = "\(error)"
                #expect(text.contains(path))
                for word in ["NIO", "SSL", "errno", "Error", "("] { #expect(!text.contains(word), "\(text)") }
            }
        }
    }
}

/// Accepts connections, reads what comes first, answers with some bytes and closes.
private final class RudeServer: Sendable {
    let port: UInt16
    private let descriptor: Int32

    init(answer: [UInt8]) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(descriptor, pointer, size) == 0 && listen(descriptor, 8) == 0 && getsockname(descriptor, pointer, &size) == 0
            }
        }
        try #require(bound)
        self.descriptor = descriptor
        port = UInt16(bigEndian: address.sin_port)
        let work = Work(descriptor: descriptor, answer: answer)
        var thread = pthread_t()
        let isStarted = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().serve() }
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
        try #require(isStarted == 0)
        pthread_detach(thread)
    }

    /// A thread's: accept blocks.
    private final class Work: Sendable {
        let descriptor: Int32
        let answer: [UInt8]
        init(descriptor: Int32, answer: [UInt8]) { (self.descriptor, self.answer) = (descriptor, answer) }

        func serve() {
            while case let connection = accept(descriptor, nil, nil), connection >= 0 {
                var bytes = [UInt8](repeating: 0, count: 4096)
                _ = read(connection, &bytes, bytes.count)
                if !answer.isEmpty { _ = write(connection, answer, answer.count) }
                close(connection)
            }
        }
    }

    deinit {
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }
}
