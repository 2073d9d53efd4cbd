import ACME
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// HTTPS by AsyncHTTPClient: no redirects, no decompression, bounded in size and time.
public final class AsyncHTTPTransport: HTTPTransport {
    /// Time for TCP and TLS to come up.
    static let connectTimeout: TimeAmount = .seconds(10)
    /// Time for one request with its response. A finalize at a busy CA takes seconds; more than this is a CA that hangs.
    public static let requestTimeout: Duration = .seconds(60)

    private let client: HTTPClient
    private let userAgent: String

    /// - Parameters:
    ///   - trustRoots: see `TrustRoots`.
    ///   - userAgent: what the CA's operator sees; RFC 8555 §6.1 asks for name and version.
    /// - Throws: `TransportConfigurationError` where the file of roots cannot be used.
    public init(trustRoots: TrustRoots, userAgent: String) throws {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if case .file(let path) = trustRoots {
            let roots: [NIOSSLCertificate]
            do { roots = try NIOSSLCertificate.fromPEMFile(path) } catch {
                throw TransportConfigurationError(path: path, reason: "\(error)")
            }
            guard !roots.isEmpty else { throw TransportConfigurationError(path: path, reason: "no certificate is in it") }
            tls.trustRoots = .certificates(roots)
        }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls, redirectConfiguration: .disallow, timeout: .init(connect: Self.connectTimeout, read: .seconds(60)))
        // An unreachable CA is to be reported at once, not after a minute of silent attempts.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        self.userAgent = userAgent
    }

    /// Closes the connections. Every transport must be shut down once, behind its last request.
    public func shutdown() async { try? await client.shutdown() }

    public func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        try await Deadline.within(Self.requestTimeout) {
            try await self.exchange(request)
        } orThrow: {
            TransportError(.timeout, origin: request.url.origin, detail: "no whole response within \(Self.requestTimeout)")
        }
    }

    private func exchange(_ request: HTTPRequest) async throws -> HTTPResponse {
        var outgoing = HTTPClientRequest(url: request.url.text)
        outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
        outgoing.headers.add(name: "User-Agent", value: userAgent)
        for field in request.headers.fields { outgoing.headers.add(name: field.name, value: field.value) }
        if request.method == .post { outgoing.body = .bytes(ByteBuffer(bytes: request.body)) }
        do {
            let incoming = try await client.execute(outgoing, deadline: .now() + .seconds(60))
            var body = ByteBuffer()
            // A HEAD response has the length of a body that does not come.
            if request.method != .head { body = try await incoming.body.collect(upTo: request.responseLimit) }
            let fields = incoming.headers.map { (name: $0.name, value: $0.value) }
            return HTTPResponse(status: Int(incoming.status.code), headers: HTTPFields(fields), body: Array(body.readableBytesView))
        } catch {
            throw Self.describe(error, request: request)
        }
    }

    /// Sorts what the libraries throw into our kinds.
    private static func describe(_ error: any Error, request: HTTPRequest) -> any Error {
        let origin = request.url.origin
        switch error {
        case is CancellationError: return error
        case let error as HTTPClientError:
            switch error {
            case .cancelled: return CancellationError()
            case .connectTimeout, .readTimeout, .deadlineExceeded, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout:
                return TransportError(.timeout, origin: origin, detail: error.shortDescription)
            case .remoteConnectionClosed: return TransportError(.unreachable, origin: origin, detail: "the connection was closed")
            default: return TransportError(.protocolError, origin: origin, detail: error.shortDescription)
            }
        case is NIOTooManyBytesError:
            return TransportError(.tooLarge, origin: origin, detail: "the limit is \(request.responseLimit) bytes")
        case let error as NIOSSLError: return TransportError(.tls, origin: origin, detail: describe(error))
        case is NIOSSLExtraError: return TransportError(.tls, origin: origin, detail: "\(error)")
        case is HTTPParserError: return TransportError(.protocolError, origin: origin, detail: "\(error)")
        case let error as NIOConnectionError:
            let reasons = error.connectionErrors.map { "\($0.target): \(reason($0.error))" }
            let detail = reasons.isEmpty ? "\(error.host) does not resolve" : reasons.joined(separator: ", ")
            return TransportError(.unreachable, origin: origin, detail: detail)
        default: return TransportError(.unreachable, origin: origin, detail: reason(error))
        }
    }

    private static func reason(_ error: any Error) -> String {
        (error as? IOError).map { String(describing: $0) } ?? String(describing: error)
    }

    private static func describe(_ error: NIOSSLError) -> String {
        guard case .handshakeFailed(let cause) = error else { return "\(error)" }
        let text = "\(cause)"
        return text.contains("CERTIFICATE_VERIFY_FAILED") ? "its certificate is not trusted here" : text
    }
}

/// The file of trust roots cannot be used.
public struct TransportConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    public var path: String
    public var reason: String

    public var description: String { "the CA certificates in \(path) cannot be read: \(TerminalText.safe(reason, limit: 300))" }
}
