import NIOHTTP1

/// The parts of a request that a challenge responder needs: its method and its target.
struct ChallengeRequest: Equatable, Sendable {
    static let prefix = "/.well-known/acme-challenge/"

    /// A CA's request has some 300 bytes; browsers and scanners send up to 8 KiB.
    static var limits: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 8192
        limits.maxHeaderListSize = 8192
        limits.maxHeaderFieldCount = 100
        return limits
    }

    /// Whether a body is wanted: GET, not HEAD.
    var wantsBody: Bool
    /// The token, if the path is exactly a challenge's (RFC 8555 §8.3) and the method is GET or HEAD.
    var token: String?

    init(_ head: HTTPRequestHead) {
        wantsBody = head.method != .HEAD
        token = head.method == .GET || head.method == .HEAD ? Self.token(of: head.uri) : nil
    }

    private static func token(of target: String) -> String? {
        var path = Substring(target)
        // The absolute form, which every server must accept (RFC 9112 §3.2.2).
        let scheme = "http://"
        if path.hasPrefix(scheme) {
            guard let slash = path.dropFirst(scheme.count).firstIndex(of: "/") else { return nil }
            path = path[slash...]
        }
        return path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : nil
    }

    /// RFC 8555 §8.3: the key authorization, as application/octet-stream.
    func response(_ keyAuthorization: String?) -> ChallengeResponse {
        guard let keyAuthorization else { return ChallengeResponse(.notFound, "there is no challenge here\n", withBody: wantsBody) }
        return ChallengeResponse(.ok, type: "application/octet-stream", keyAuthorization, withBody: wantsBody)
    }
}

/// A whole response, after which the connection ends.
struct ChallengeResponse: Equatable, Sendable {
    var head: HTTPResponseHead
    /// `nil` for HEAD.
    var body: String?

    init(_ status: HTTPResponseStatus, type: String = "text/plain; charset=utf-8", _ body: String, withBody: Bool = true) {
        head = HTTPResponseHead(
            version: .http1_1, status: status,
            headers: ["Content-Type": type, "Content-Length": "\(body.utf8.count)", "Connection": "close"])
        self.body = withBody ? body : nil
    }
}
