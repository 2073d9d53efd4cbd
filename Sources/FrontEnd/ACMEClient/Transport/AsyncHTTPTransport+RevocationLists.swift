import ACME
import AsyncHTTPClient
import NIOCore

extension AsyncHTTPTransport {
    /// The largest revocation list in bytes. Those of public CAs have a megabyte or two; two of these at once leave the
    /// program below 100 MB.
    public static let revocationListLimit = 24 << 20
    /// How long one may take, redirects included.
    public static let revocationListPatience: Duration = .seconds(30)
    /// How many redirects are followed.
    static let revocationListRedirects = 3

    /// Downloads a revocation list. Redirects are followed, since nothing in the request is signed; they too lead to
    /// http or https only.
    /// - Throws: `RevocationListDownloadError`; `CancellationError`.
    public func revocationList(
        at url: RevocationListURL, limit: Int = AsyncHTTPTransport.revocationListLimit,
        within patience: Duration = AsyncHTTPTransport.revocationListPatience
    ) async throws -> [UInt8] {
        try await Deadline.within(patience) {
            var next = url
            for _ in 0...Self.revocationListRedirects {
                switch try await self.answer(from: next, first: url, limit: limit) {
                case .list(let bytes): return bytes
                case .elsewhere(let place): next = place
                }
            }
            throw RevocationListDownloadError(host: url.host, reason: "more than \(Self.revocationListRedirects) redirects")
        } orThrow: {
            RevocationListDownloadError(
                host: url.host, isUnreachable: true, reason: "no complete response within \(patience.components.seconds) s")
        }
    }

    private enum RevocationListAnswer { case list([UInt8]), elsewhere(RevocationListURL) }

    /// - Parameter first: whose host is to blame, wherever it has led.
    private func answer(
        from url: RevocationListURL, first: RevocationListURL, limit: Int
    ) async throws -> RevocationListAnswer {
        func failure(_ reason: String) -> RevocationListDownloadError { RevocationListDownloadError(host: first.host, reason: reason) }
        var request = HTTPClientRequest(url: url.text)
        for field in standingFields where field.name == "User-Agent" { request.headers.add(name: field.name, value: field.value) }
        do {
            let response = try await client.execute(request, deadline: .now() + TimeAmount(Self.requestTimeout))
            let status = Int(response.status.code)
            if [301, 302, 303, 307, 308].contains(status) {
                let places = response.headers["Location"]
                guard places.count == 1, let next = RevocationListURL(reference: places[0], relativeTo: url) else {
                    throw failure("a redirect to something that is neither http nor https")
                }
                // Whoever is on the way of a plain request may answer it: this program is not to ask inner servers for them.
                guard next.host == first.host || !next.isInner else { throw failure("a redirect to an address of an inner network") }
                return .elsewhere(next)
            }
            guard status == 200 else { throw failure("HTTP status \(status)") }
            let tooLarge = failure("it is larger than \(limit >> 20) MiB")
            let stated = response.headers.first(name: "Content-Length").flatMap { Int($0) }
            if let stated, stated > limit { throw tooLarge }
            var bytes: [UInt8] = []
            // Grown once: the room of a list that has no length is taken from the system, but not used before it fills.
            bytes.reserveCapacity(stated ?? limit)
            for try await part in response.body {
                guard part.readableBytes <= limit - bytes.count else { throw tooLarge }
                bytes.append(contentsOf: part.readableBytesView)
            }
            return .list(bytes)
        } catch let error as RevocationListDownloadError {
            throw error
        } catch {
            let described = TransportFault.describe(error, request: HTTPRequest(.get, url.twin, responseLimit: limit), proxy: proxy)
            guard let fault = described as? TransportError else { throw described }
            throw RevocationListDownloadError(host: first.host, isUnreachable: fault.isTransient, reason: fault.detail)
        }
    }
}

/// Why a revocation list could not be downloaded.
public struct RevocationListDownloadError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The server that has the list.
    public var host: String
    /// Whether the server as a whole does not answer.
    public var isUnreachable = false
    /// What happened, for a person.
    public var reason: String

    /// A download from this server that failed.
    public init(host: String, isUnreachable: Bool = false, reason: String) {
        self.host = host
        self.isUnreachable = isUnreachable
        self.reason = reason
    }

    public var description: String { "\(host): \(TerminalText.safe(reason, limit: 300))" }
}
