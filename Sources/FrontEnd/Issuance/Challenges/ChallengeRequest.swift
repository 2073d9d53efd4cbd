/// The head of an HTTP/1 request, as far as a challenge responder needs it. Pure and bounded; a body is never read.
struct ChallengeRequest: Equatable, Sendable {
    /// A CA's request has about 300 bytes; browsers and scanners send up to 8 KiB.
    static let maximumHead = 8192
    static let prefix = "/.well-known/acme-challenge/"

    enum Reading: Equatable, Sendable {
        case incomplete
        case request(ChallengeRequest)
        /// Not HTTP, or a head that is too large.
        case malformed
    }

    /// Whether a body is wanted: GET, not HEAD.
    var wantsBody: Bool
    /// The token, if the path is exactly a challenge's (RFC 8555 §8.3) and the method is GET or HEAD.
    var token: String?

    /// - Parameter bytes: everything received so far.
    static func read(_ bytes: [UInt8]) -> Reading {
        guard let end = headEnd(bytes) else { return bytes.count >= maximumHead ? .malformed : .incomplete }
        guard end <= maximumHead, let lineEnd = bytes.firstIndex(of: 0x0A) else { return .malformed }
        var line = bytes[..<lineEnd]
        if line.last == 0x0D { line.removeLast() }
        let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2].starts(with: Array("HTTP/1.".utf8)), line.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            return .malformed
        }
        let isGet = parts[0].elementsEqual("GET".utf8)
        guard isGet || parts[0].elementsEqual("HEAD".utf8) else { return .request(ChallengeRequest(wantsBody: true, token: nil)) }
        return .request(ChallengeRequest(wantsBody: isGet, token: token(of: parts[1])))
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        var index = 0
        while index < bytes.count {
            // An empty line ends the head; a lone LF is accepted (RFC 9112 §2.2).
            if bytes[index] == 0x0A {
                let next = index + 1
                if next < bytes.count, bytes[next] == 0x0A { return next + 1 }
                if next + 1 < bytes.count, bytes[next] == 0x0D, bytes[next + 1] == 0x0A { return next + 2 }
            }
            index += 1
        }
        return nil
    }

    private static func token(of target: ArraySlice<UInt8>) -> String? {
        var path = target
        // The absolute form, which every server must accept (RFC 9112 §3.2.2).
        let scheme = Array("http://".utf8)
        if path.starts(with: scheme) {
            guard let slash = path.dropFirst(scheme.count).firstIndex(of: UInt8(ascii: "/")) else { return nil }
            path = path[slash...]
        }
        guard path.starts(with: prefix.utf8) else { return nil }
        return String(decoding: path.dropFirst(prefix.utf8.count), as: UTF8.self)
    }

    /// The whole response: the key authorization as application/octet-stream (RFC 8555 §8.3).
    func response(_ keyAuthorization: String?) -> [UInt8] {
        let body = keyAuthorization ?? "there is no challenge here\n"
        let type = keyAuthorization == nil ? "text/plain; charset=utf-8" : "application/octet-stream"
        return Self.response(keyAuthorization == nil ? "404 Not Found" : "200 OK", type: type, body: body, withBody: wantsBody)
    }

    static func response(_ status: String, type: String = "text/plain; charset=utf-8", body: String, withBody: Bool = true) -> [UInt8] {
        let head = "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n"
        return Array(head.utf8) + (withBody ? Array(body.utf8) : [])
    }
}
