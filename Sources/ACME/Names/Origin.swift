/// Scheme, host and port of a CA (RFC 6454 §4). An account key is bound to one; https is the only scheme there is.
public struct Origin: Hashable, Sendable, Comparable, CustomStringConvertible {
    static let defaultPort = 443

    /// Lower case; an IPv6 address without brackets.
    public let host: String
    /// 1 to 65535.
    public let port: Int
    private let isIPv6: Bool

    /// Reads `https://host[:port]`, without path.
    public init(_ text: String) throws(ACMEURLError) {
        let bytes = Array(text.utf8)
        let rest = try ACMEURL.afterScheme(bytes)
        try self.init(authority: rest)
    }

    /// Reads `host[:port]` (RFC 3986 §3.2).
    init(authority: ArraySlice<UInt8>) throws(ACMEURLError) {
        guard authority.count <= ACMEURL.maximumLength else { throw .tooLong }
        guard !authority.contains(UInt8(ascii: "@")) else { throw .userInformation }
        var host = authority
        var portText: ArraySlice<UInt8>?
        isIPv6 = authority.first == UInt8(ascii: "[")
        if isIPv6 {
            guard let bracket = authority.firstIndex(of: UInt8(ascii: "]")) else { throw .invalidHost }
            host = authority[authority.index(after: authority.startIndex)..<bracket]
            let behind = authority[authority.index(after: bracket)...]
            if let first = behind.first {
                guard first == UInt8(ascii: ":") else { throw .invalidHost }
                portText = behind.dropFirst()
            }
        } else if let colon = authority.firstIndex(of: UInt8(ascii: ":")) {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        }
        guard !host.isEmpty else { throw .invalidHost }
        if let portText {
            guard let port = Origin.port(portText) else { throw .invalidPort }
            self.port = port
        } else {
            port = Origin.defaultPort
        }
        let name = String(decoding: host, as: UTF8.self)
        if isIPv6 {
            guard host.contains(UInt8(ascii: ":")), let address = try? IPAddress(name) else { throw .invalidHost }
            self.host = address.text
        } else if let address = try? IPAddress(name) {
            self.host = address.text
        } else {
            // A trailing dot would be a second spelling of one host.
            guard host.last != UInt8(ascii: "."), let dns = try? DNSName(name), !dns.isWildcard else { throw .invalidHost }
            self.host = dns.text
        }
    }

    /// 1 to 65535 in decimal without leading zeros.
    private static func port(_ text: ArraySlice<UInt8>) -> Int? {
        guard (1...5).contains(text.count), text.first != UInt8(ascii: "0") else { return nil }
        var value = 0
        for letter in text {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(letter) else { return nil }
            value = value * 10 + Int(letter - UInt8(ascii: "0"))
        }
        return (1...65_535).contains(value) ? value : nil
    }

    /// `https://host[:port]`: lower case, the default port dropped, an IPv6 address in brackets.
    public var description: String {
        let host = isIPv6 ? "[\(host)]" : host
        return port == Origin.defaultPort ? "https://\(host)" : "https://\(host):\(port)"
    }

    public static func < (left: Origin, right: Origin) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }
}
