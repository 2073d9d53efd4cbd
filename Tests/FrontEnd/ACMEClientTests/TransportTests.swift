import ACME
import Glibc
import NIOHTTP1
import NIOSSL
import Synchronization
import TestSupport
import Testing

@testable import ACMEClient

/// Network failures as AsyncHTTPTransport reports them.
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

    @Test func aServerThatIsSilentIsNotWaitedForLongerThanTheRequestMayTake() async throws {
        let server = try RudeServer(answer: nil)
        let transport = try AsyncHTTPTransport(trustRoots: .system, userAgent: "test")
        var request = HTTPRequest(.get, try ACMEURL("https://127.0.0.1:\(server.port)/dir"), responseLimit: 1000)
        request.timeLimit = .milliseconds(200)
        let start = ContinuousClock.now
        await #expect { try await transport.send(request) } throws: { error in
            guard let error = error as? TransportError else { return false }
            return error.kind == .timeout && error.isTransient && error.hint?.contains("later") == true
        }
        #expect(ContinuousClock.now - start < .seconds(8))
        // It waits for the connection that is still being established.
        Task { await transport.shutdown() }
    }

    @Test func nobodyListening() async throws {
        let port = try RudeServer(answer: []).port
        let error = try await failure(port)
        #expect(error.kind == .unreachable)
        #expect("\(error)".hasSuffix("https://127.0.0.1:\(port) cannot be reached: Connection refused"), "\(error)")
        expectPlainWords(error)
    }

    /// A server that goes away in the middle closes TCP without a TLS alert.
    @Test func aResponseThatIsCutOffIsNoFailureOfTLS() throws {
        let request = HTTPRequest(.get, try ACMEURL("https://ca.test/dir"), responseLimit: 1)
        for error in [NIOSSLError.uncleanShutdown, .handshakeFailed(.syscallError), .handshakeFailed(.zeroReturn)] {
            let described = try #require(TransportFault.describe(error, request: request) as? TransportError)
            #expect(described.kind == .unreachable && described.isTransient)
            expectPlainWords(described)
        }
        let untrusted = TransportFault.describe(NIOSSLExtraError.failedToValidateHostname, request: request) as? TransportError
        #expect(untrusted?.kind == .tls && untrusted?.hint == nil)
    }

    /// A body shorter than its Content-Length, or an incomplete header: valid HTTP, but truncated.
    @Test(arguments: [HTTPParserError.invalidEOFState, .closedConnection]) func aResponseThatEndsEarlyIsCutOff(
        _ error: HTTPParserError
    ) throws {
        let request = HTTPRequest(.get, try ACMEURL("https://ca.test/dir"), responseLimit: 1)
        let described = try #require(TransportFault.describe(error, request: request) as? TransportError)
        #expect(described.kind == .unreachable && described.isTransient, "\(described)")
        expectPlainWords(described)
        let other = TransportFault.describe(HTTPParserError.invalidHeaderToken, request: request) as? TransportError
        #expect(other?.kind == .protocolError)
    }

    @Test func aProxyIsAskedForTheConnection() async throws {
        let server = try RudeServer(answer: Array("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".utf8))
        let transport = try AsyncHTTPTransport(
            trustRoots: .system, userAgent: "test", proxy: try Proxy("http://user:secret@127.0.0.1:\(server.port)"))
        let url = try ACMEURL("https://ca.test/dir")
        await #expect { try await transport.send(HTTPRequest(.get, url, responseLimit: 1000)) } throws: { error in
            guard let error = error as? TransportError else { return false }
            return error.kind == .unreachable && "\(error)".contains("127.0.0.1:\(server.port)") && !"\(error)".contains("secret")
        }
        await transport.shutdown()
        let asked = server.heard.map { String(decoding: $0, as: UTF8.self) } ?? ""
        #expect(asked.hasPrefix("CONNECT ca.test:443 HTTP/1.1\r\n"), "\(asked)")
        #expect(asked.contains("Basic dXNlcjpzZWNyZXQ="), "\(asked)")
    }

    /// RFC 8555 §6.1.
    @Test func programAndLanguageAreInEveryRequest() async throws {
        let transport = try AsyncHTTPTransport(trustRoots: .system, userAgent: "test/1", language: "de")
        #expect(transport.standingFields.map(\.name) == ["User-Agent", "Accept-Language"])
        #expect(transport.standingFields.map(\.value) == ["test/1", "de"])
        await transport.shutdown()
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

/// Accepts connections, reads the first bytes, answers with some bytes and closes; or keeps reading and never answers.
private final class RudeServer: Sendable {
    let port: UInt16
    private let descriptor: Int32
    private let work: Work
    /// The first bytes from the first connection.
    var heard: [UInt8]? { work.heard.withLock { $0 } }

    init(answer: [UInt8]?) throws {
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
        work = Work(descriptor: descriptor, answer: answer)
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

    /// Runs on a thread, since accept blocks.
    private final class Work: Sendable {
        let descriptor: Int32
        let answer: [UInt8]?
        let heard = Mutex<[UInt8]?>(nil)
        init(descriptor: Int32, answer: [UInt8]?) { (self.descriptor, self.answer) = (descriptor, answer) }

        func serve() {
            defer { close(descriptor) }
            while case let connection = accept(descriptor, nil, nil), connection >= 0 {
                var bytes = [UInt8](repeating: 0, count: 4096)
                let count = read(connection, &bytes, bytes.count)
                let got = Array(bytes.prefix(max(count, 0)))
                heard.withLock { if $0 == nil { $0 = got } }
                if answer?.isEmpty != true {
                    if let answer { _ = write(connection, answer, answer.count) }
                    // A connection that is closed with unread data is reset, and the answer may be lost.
                    if answer != nil { Glibc.shutdown(connection, Int32(SHUT_WR)) }
                    while read(connection, &bytes, bytes.count) > 0 {}
                }
                close(connection)
            }
        }
    }

    deinit {
        // The thread's accept ends; it closes the descriptor, whose number another server may then get.
        shutdown(descriptor, Int32(SHUT_RDWR))
    }
}
