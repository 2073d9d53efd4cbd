import ACME
import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOSSL

/// HTTPS with AsyncHTTPClient: no redirects, no decompression, bounded size and time.
public final class AsyncHTTPTransport: HTTPTransport {
    /// Time limit for establishing TCP and TLS.
    static let connectTimeout: TimeAmount = .seconds(10)
    /// Time limit for one request with its response. A finalize at a busy CA takes seconds; beyond this limit it hangs.
    public static let requestTimeout: Duration = .seconds(60)

    let client: HTTPClient
    let proxy: Proxy?
    /// Header fields of every request.
    let standingFields: [(name: String, value: String)]

    /// - Parameters:
    ///   - trustRoots: see `TrustRoots`.
    ///   - userAgent: what the CA's operator sees; RFC 8555 §6.1 asks for name and version.
    ///   - language: the language of the CA's messages to people; see `PreferredLanguage`.
    ///   - proxy: the proxy through which the CA is reached.
    /// - Throws: `TransportConfigurationError` if the file of root certificates cannot be used.
    public init(trustRoots: TrustRoots, userAgent: String, language: String = "en", proxy: Proxy? = nil) throws {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if case .file(let path) = trustRoots {
            let roots: [NIOSSLCertificate]
            do { roots = try NIOSSLCertificate.fromPEMFile(path) } catch {
                let reason = access(path, R_OK) == 0 ? "it is not a PEM file of certificates" : TransportFault.text(of: errno)
                throw TransportConfigurationError(path: path, reason: reason)
            }
            guard !roots.isEmpty else { throw TransportConfigurationError(path: path, reason: "it contains no certificate") }
            tls.trustRoots = .certificates(roots)
        }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls, redirectConfiguration: .disallow,
            timeout: .init(connect: Self.connectTimeout, read: TimeAmount(Self.requestTimeout)))
        // Report an unreachable CA at once, not after a minute of silent attempts.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.proxy = proxy.map(Self.configuration)
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        self.proxy = proxy
        standingFields = [("User-Agent", userAgent), ("Accept-Language", language)]
    }

    private static func configuration(_ proxy: Proxy) -> HTTPClient.Configuration.Proxy {
        switch proxy.kind {
        case .socks: return .socksServer(host: proxy.host, port: proxy.port)
        case .http:
            guard let credentials = proxy.credentials else { return .server(host: proxy.host, port: proxy.port) }
            let parts = credentials.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            return .server(
                host: proxy.host, port: proxy.port,
                authorization: .basic(username: parts.first ?? "", password: parts.count > 1 ? parts[1] : ""))
        }
    }

    /// A connection that is being established cannot be closed until it is up: do not wait for the CA at the end.
    private static let shutdownPatience: Duration = .milliseconds(250)

    /// Closes the connections. Every transport must be shut down once, after its last request. Returns at once if the
    /// task is cancelled, and soon otherwise; remaining connections are closed in the background.
    public func shutdown() async {
        let (closed, signal) = AsyncStream.makeStream(of: Void.self)
        Task { [client] in
            try? await client.shutdown()
            signal.finish()
        }
        Task {
            try? await Task.sleep(for: Self.shutdownPatience)
            signal.finish()
        }
        for await _ in closed {}
    }

    /// Sends one request and reads the whole response.
    /// - Throws: `TransportError`, or `CancellationError`.
    public func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        let limit = min(Self.requestTimeout, request.timeLimit ?? Self.requestTimeout)
        return try await Deadline.within(limit) {
            try await self.exchange(request)
        } orThrow: {
            TransportError(.timeout, origin: request.url.origin, detail: "no complete response within \(limit.components.seconds) s")
        }
    }

    private func exchange(_ request: HTTPRequest) async throws -> HTTPResponse {
        var outgoing = HTTPClientRequest(url: request.url.text)
        outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
        for field in standingFields + request.headers.fields { outgoing.headers.add(name: field.name, value: field.value) }
        if request.method == .post { outgoing.body = .bytes(ByteBuffer(bytes: request.body)) }
        do {
            let incoming = try await client.execute(outgoing, deadline: .now() + TimeAmount(Self.requestTimeout))
            var body = ByteBuffer()
            // A HEAD response states the length of a body that it does not have.
            if request.method != .head { body = try await incoming.body.collect(upTo: request.responseLimit) }
            let fields = incoming.headers.map { (name: $0.name, value: $0.value) }
            return HTTPResponse(status: Int(incoming.status.code), headers: HTTPFields(fields), body: Array(body.readableBytesView))
        } catch {
            throw TransportFault.describe(error, request: request, proxy: proxy)
        }
    }
}

/// The file of root certificates cannot be used.
public struct TransportConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file.
    public var path: String
    /// What is wrong with it, for a person.
    public var reason: String

    public var description: String { "the CA certificates in \(path) cannot be read: \(TerminalText.safe(reason, limit: 300))" }
}
