import ACME
import JOSE

/// How CAs are reached: through a proxy, except for some.
public struct ProxySettings: Hashable, Sendable {
    /// `nil`: every CA is reached directly.
    public var proxy: Proxy?
    /// Hosts that are reached directly, in the form of `no_proxy`.
    public var exceptions: String?

    /// Without a proxy, every CA is reached directly.
    public init(proxy: Proxy? = nil, exceptions: String? = nil) {
        self.proxy = proxy
        self.exceptions = exceptions
    }

    /// The proxy for a CA; `nil` if it is reached directly, as this machine itself always is.
    public func proxy(for origin: Origin) -> Proxy? {
        guard let proxy, !ProxySettings.isLoopback(origin.host) else { return nil }
        let entries = (exceptions ?? "").split { $0 == "," || $0 == " " }
        return entries.contains { ProxySettings.matches($0.lowercased(), origin) } ? nil : proxy
    }

    /// `*`, a host, `host:port`, or a domain, with or without a leading `.` or `*.`, which covers its subdomains.
    private static func matches(_ entry: String, _ origin: Origin) -> Bool {
        if entry == "*" { return true }
        var name = entry[...]
        if let address = try? IPAddress(entry) { return address.text == origin.host }
        if let colon = name.lastIndex(of: ":"), let port = Int(name[name.index(after: colon)...]) {
            guard port == origin.port else { return false }
            name = name[..<colon]
        }
        if name.hasPrefix("["), name.hasSuffix("]") { name = name.dropFirst().dropLast() }
        if name.hasPrefix("*.") { name = name.dropFirst() }
        if name.hasPrefix(".") { name = name.dropFirst() }
        guard !name.isEmpty else { return false }
        return origin.host == name || origin.host.hasSuffix("." + name)
    }

    private static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host.hasPrefix("127.") && (try? IPAddress(host)) != nil
    }
}

/// An HTTP proxy that supports CONNECT (RFC 9110 §9.3.6), or a SOCKS 5 proxy.
public struct Proxy: Hashable, Sendable, CustomStringConvertible {
    /// How the proxy is spoken to.
    public enum Kind: Hashable, Sendable {
        /// By CONNECT.
        case http
        /// By SOCKS 5.
        case socks
    }

    /// How it is spoken to.
    public let kind: Kind
    /// Its name or address.
    public let host: String
    /// Its port.
    public let port: Int
    /// `user:password`; for HTTP only.
    let credentials: String?

    /// Reads `[http://][user:password@]host[:port]` or `socks5://host[:port]`. Other schemes are refused: TLS to the
    /// proxy itself is not supported.
    public init(_ text: String) throws(ProxyError) {
        var rest = text[...]
        var kind = Kind.http
        if let range = text.firstRange(of: "://") {
            switch text[..<range.lowerBound].lowercased() {
            case "http": kind = .http
            case "socks5", "socks5h": kind = .socks
            default: throw ProxyError(reason: "only http:// and socks5:// are supported")
            }
            rest = text[range.upperBound...]
        }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        var credentials: String?
        if let sign = rest.lastIndex(of: "@") {
            guard kind == .http else { throw ProxyError(reason: "a user name for SOCKS is not supported") }
            guard let decoded = Proxy.decoded(rest[..<sign]) else {
                throw ProxyError(reason: "its user name or password is not percent-encoded")
            }
            credentials = decoded
            rest = rest[rest.index(after: sign)...]
        }
        let origin: Origin
        do { origin = try Origin("https://" + rest) } catch { throw ProxyError(reason: "it has no host, or its port is not valid") }
        // The default port of the scheme prefixed above is not part of the text.
        let hasPort = rest.hasSuffix(":\(origin.port)")
        self.kind = kind
        self.credentials = credentials
        host = origin.host
        port = hasPort ? origin.port : kind == .http ? 80 : 1080
    }

    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = Hexadecimal.decode(bytes: rest.prefix(2))?.first else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Without user name and password.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Why a text is not a proxy. The text itself may contain a password and is not shown.
public struct ProxyError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Part of a sentence.
    public let reason: String
    public var description: String { "the proxy is refused: \(reason)" }
}
