import ACME
import CertificateStore
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOTLS
import SwiftASN1
import X509

/// Looks at challenges as a CA does, from this host.
public struct ChallengeView: Sendable {
    /// As many as Let's Encrypt follows.
    private static let mostRedirects = 10
    /// For a connection with its answer, as at Let's Encrypt.
    private static let timeLimit: TimeAmount = .seconds(10)
    /// More than a key authorization; a web server's error page may be longer, and is cut off.
    fileprivate static let maximumBody = 4096

    private let http: Int
    private let tls: Int
    /// By name: where to connect instead. For tests.
    private let hosts: [String: String]
    private let dns: (@Sendable (ChallengeAnswer) async throws -> Void)?

    /// - Parameter dns: returns when every server of the zone shows the record of an answer, and throws after a time.
    public init(dns: (@Sendable (ChallengeAnswer) async throws -> Void)? = nil) { self.init(http: 80, tls: 443, hosts: [:], dns: dns) }

    init(http: Int, tls: Int, hosts: [String: String], dns: (@Sendable (ChallengeAnswer) async throws -> Void)? = nil) {
        self.http = http
        self.tls = tls
        self.hosts = hosts
        self.dns = dns
    }

    func look(at answer: ChallengeAnswer) async throws -> ChallengeTrial.Outcome {
        switch answer.type {
        case .http01: try await lookByHTTP(answer)
        case .tlsALPN01: try await lookByTLS(answer)
        case .dns01, .dnsAccount01: try await lookInDNS(answer)
        // Its record stays, and is looked at for each order.
        case .dnsPersist01: .notSeen(reason: "no answer is presented for it", hint: "acme-agent persist NAME prints its record")
        }
    }

    private func lookInDNS(_ answer: ChallengeAnswer) async throws -> ChallengeTrial.Outcome {
        guard let dns else { return .notSeen(reason: "nobody looked", hint: nil) }
        do { try await dns(answer) } catch let error as IssuanceError {
            // What the servers said otherwise is not the hook's fault.
            return .notSeen(
                reason: ChallengeTrial.reason(of: error),
                hint: error.hint == DNS01Update.lateHint
                    ? "the DNS hook must return when the servers have the record, or --dns-wait SECONDS waits" : error.hint)
        }
        return .seen("every server of the zone")
    }

    private static func host(_ identifier: Identifier) -> String {
        if case .dns(let name) = identifier { return name.base }
        return identifier.value
    }

    // MARK: - http-01

    private func lookByHTTP(_ answer: ChallengeAnswer) async throws -> ChallengeTrial.Outcome {
        let host = Self.host(answer.identifier)
        var place = WebPlace(isTLS: false, host: host, port: http, path: ChallengeRequest.prefix + answer.keyAuthorization.token)
        for _ in 0...Self.mostRedirects {
            let page: WebPage
            do { page = try await fetch(place) } catch {
                try Task.checkCancellation()
                return .notSeen(
                    reason: "\(place) cannot be read: \(Self.reason(of: error))",
                    hint: "the name must lead to this host, and port \(place.port) must be open: look at DNS (A, AAAA) and the firewall")
            }
            if (300..<400).contains(page.status), let location = page.location {
                guard let next = WebPlace(location, from: place) else {
                    return .notSeen(
                        reason: "\(place) redirects to \"\(TerminalText.safe(location, limit: 200))\", which a CA does not follow",
                        hint: "redirect challenges to http or https only, on port 80 or 443")
                }
                place = next
                continue
            }
            guard page.status == 200 else {
                return .notSeen(
                    reason: "\(place) answers with status \(page.status)",
                    hint: "another server answers for the name, or it serves another folder than the one that --webroot names")
            }
            // RFC 8555 §8.3: white space at its end does not count.
            guard page.body.reversed().drop(while: { $0 <= 0x20 }).reversed() == Array(answer.keyAuthorization.text.utf8) else {
                return .notSeen(reason: "\(place) answers with something else", hint: "another server answers for the name")
            }
            return .seen(place.description)
        }
        return .notSeen(reason: "\(place) is the end of too many redirects", hint: nil)
    }

    private func fetch(_ place: WebPlace) async throws -> WebPage {
        let context: NIOSSLContext? = place.isTLS ? try Self.trusting(protocols: ["http/1.1"]) : nil
        let (address, name) = (hosts[place.host] ?? place.host, try? IPAddress(place.host))
        return try await exchange(address, place.port, end: WebPage.self) { channel, promise in
            if let context {
                try channel.pipeline.syncOperations.addHandler(
                    NIOSSLClientHandler(context: context, serverHostname: name == nil ? place.host : nil))
            }
            try channel.pipeline.syncOperations.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
            try channel.pipeline.syncOperations.addHandler(PageReader(place, promise))
        }
    }

    // MARK: - tls-alpn-01

    private func lookByTLS(_ answer: ChallengeAnswer) async throws -> ChallengeTrial.Outcome {
        let host = Self.host(answer.identifier), name = TLSALPN01Certificate.serverName(of: answer.identifier)
        let place = "\(host):\(tls)"
        let context = try Self.trusting(protocols: [TLSALPN01Certificate.applicationProtocol])
        let seen: HandshakeReader.Result
        do {
            seen = try await exchange(hosts[host] ?? host, tls, end: HandshakeReader.Result.self) { channel, promise in
                try channel.pipeline.syncOperations.addHandlers([
                    NIOSSLClientHandler(context: context, serverHostname: name), HandshakeReader(promise),
                ])
            }
        } catch {
            try Task.checkCancellation()
            return .notSeen(
                reason: "\(place) makes no TLS connection for \(TLSALPN01Certificate.applicationProtocol): \(Self.reason(of: error))",
                hint: "the name must lead to this host, and port \(tls) to the listener, or to a server that passes this protocol on "
                    + "(operations.md has an example)")
        }
        guard seen.applicationProtocol == TLSALPN01Certificate.applicationProtocol,
            TLSALPN01Certificate.isAnswer(seen.certificate, answer.keyAuthorization)
        else {
            return .notSeen(
                reason: "\(place) shows another certificate",
                hint: "another server answers there; operations.md says how it passes challenges on")
        }
        return .seen(place)
    }

    // MARK: - Connections

    /// A CA trusts any certificate here: it looks for the answer alone.
    private static func trusting(protocols: [String]) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        configuration.applicationProtocols = protocols
        return try NIOSSLContext(configuration: configuration)
    }

    private func exchange<End: Sendable>(
        _ host: String, _ port: Int, end: End.Type,
        _ addHandlers: @escaping @Sendable (any Channel, EventLoopPromise<End>) throws -> Void
    ) async throws -> End {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let promise = loop.makePromise(of: End.self)
        let timeout = loop.scheduleTask(in: Self.timeLimit) { promise.fail(ChannelError.connectTimeout(Self.timeLimit)) }
        let bootstrap = ClientBootstrap(group: loop).connectTimeout(Self.timeLimit)
            .channelInitializer { channel in channel.eventLoop.makeCompletedFuture { try addHandlers(channel, promise) } }
        do {
            let channel = try await bootstrap.connect(host: host, port: port).get()
            defer { channel.close(promise: nil) }
            let result = try await withTaskCancellationHandler {
                try await promise.futureResult.get()
            } onCancel: {
                promise.fail(CancellationError())
            }
            timeout.cancel()
            return result
        } catch {
            timeout.cancel()
            promise.fail(error)
            throw error
        }
    }

    /// Whether something accepts connections, seen from this host.
    /// - Returns: why not; `nil` if so.
    public static func obstacle(to host: String, port: Int) async -> String? {
        do {
            let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(timeLimit)
            let channel = try await bootstrap.connect(host: host, port: port).get()
            channel.close(promise: nil)
            return nil
        } catch { return reason(of: error) }
    }

    private static func reason(of error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            guard let first = error.connectionErrors.first else { return "the name has no address" }
            return reason(of: first.error)
        case let error as IOError: return String(cString: strerror(error.errnoCode))
        case ChannelError.connectTimeout: return "no answer within \(timeLimit.nanoseconds / 1_000_000_000) s"
        case ChannelError.eof: return "the connection was closed"
        default: return TerminalText.safe("\(error)", limit: 300)
        }
    }
}

/// Where a page is.
struct WebPlace: Hashable, Sendable, CustomStringConvertible {
    var isTLS: Bool
    var host: String
    var port: Int
    var path: String

    init(isTLS: Bool, host: String, port: Int, path: String) {
        (self.isTLS, self.host, self.port, self.path) = (isTLS, host, port, path)
    }

    /// Where a redirect leads: an absolute URL, or a path of the same server.
    init?(_ location: String, from place: WebPlace) {
        guard location.utf8.count <= 2_048, location.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        if location.hasPrefix("/"), !location.hasPrefix("//") {
            self = place
            path = location
            return
        }
        let schemes = [("http://", false, 80), ("https://", true, 443)]
        guard let (scheme, isTLS, standard) = schemes.first(where: { location.lowercased().hasPrefix($0.0) }) else { return nil }
        let rest = location.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let path = rest[authority.endIndex...].prefix { $0 != "#" }
        guard let (host, port) = Self.hostAndPort(authority, standard) else { return nil }
        self.init(isTLS: isTLS, host: host, port: port, path: path.hasPrefix("/") ? String(path) : "/" + path)
    }

    private static func hostAndPort(_ authority: Substring, _ standard: Int) -> (String, Int)? {
        guard !authority.contains("@") else { return nil }
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]"),
                let address = try? IPAddress(String(authority[authority.index(after: authority.startIndex)..<end]))
            else { return nil }
            let rest = authority[authority.index(after: end)...]
            guard let port = rest.isEmpty ? standard : rest.hasPrefix(":") ? UInt16(rest.dropFirst()).map(Int.init) : nil else {
                return nil
            }
            return (address.text, port)
        }
        let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, !host.isEmpty, parts.count <= 2,
            let port = parts.count == 1 ? standard : UInt16(parts[1]).map(Int.init)
        else { return nil }
        return (String(host), port)
    }

    var hostField: String {
        let text = host.contains(":") ? "[\(host)]" : host
        return port == (isTLS ? 443 : 80) ? text : "\(text):\(port)"
    }

    var description: String { "\(isTLS ? "https" : "http")://\(hostField)\(path)" }
}

struct WebPage: Sendable {
    var status: Int
    var location: String?
    /// Its first bytes.
    var body: [UInt8]
}

/// Asks for a page, and fulfils its promise with it.
private final class PageReader: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let place: WebPlace
    private let promise: EventLoopPromise<WebPage>
    private var page: WebPage?

    init(_ place: WebPlace, _ promise: EventLoopPromise<WebPage>) {
        self.place = place
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        let head = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: place.path,
            headers: ["Host": place.hostField, "User-Agent": "acme-agent", "Accept": "*/*", "Connection": "close"])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            page = WebPage(status: Int(head.status.code), location: head.headers.first(name: "Location"), body: [])
        case .body(let bytes):
            page?.body += bytes.readableBytesView.prefix(ChallengeView.maximumBody)
            if let page, page.body.count >= ChallengeView.maximumBody { promise.succeed(page) }
        case .end: if let page { promise.succeed(page) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }
    func channelInactive(context: ChannelHandlerContext) { promise.fail(ChannelError.eof) }
}

/// Fulfils its promise with a handshake's result.
private final class HandshakeReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    struct Result: Sendable {
        var certificate: [UInt8]
        var applicationProtocol: String?
    }

    private let promise: EventLoopPromise<Result>

    init(_ promise: EventLoopPromise<Result>) { self.promise = promise }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let applicationProtocol) = event as? TLSUserEvent else { return }
        let certificate = (try? context.pipeline.syncOperations.nioSSL_peerCertificate())?.flatMap { try? $0.toDERBytes() }
        promise.succeed(Result(certificate: certificate ?? [], applicationProtocol: applicationProtocol))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }
    func channelInactive(context: ChannelHandlerContext) { promise.fail(ChannelError.eof) }
}
