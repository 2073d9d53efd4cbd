/// Scheme, host and port of a CA (RFC 6454 §4). An account key is bound to one. The scheme is always https.
public struct Origin: Hashable, Sendable, Comparable, CustomStringConvertible {
    static let defaultPort = 443

    /// `https://host[:port]`: lower case, the default port dropped, an IPv6 address in brackets. Two origins are equal
    /// if their texts are.
    public let text: String
    /// 1 to 65535.
    public let port: Int
    private let isIPv6: Bool

    /// Lower case; an IPv6 address without brackets.
    public var host: String {
        let authority = text.utf8.dropFirst(Origin.scheme.utf8CodeUnitCount)
        let host =
            isIPv6
            ? authority.dropFirst().prefix { $0 != UInt8(ascii: "]") }
            : authority.prefix { $0 != UInt8(ascii: ":") }
        return String(decoding: host, as: UTF8.self)
    }

    private static let scheme: StaticString = "https://"

    /// Parses `https://host[:port]`, without a path.
    public init(_ text: String) throws(ACMEURLError) {
        let bytes = Array(text.utf8)
        let rest = try ACMEURL.afterScheme(bytes[...])
        try self.init(authority: rest)
    }

    /// Parses `host[:port]` (RFC 3986 §3.2).
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
        if isIPv6 {
            guard host.contains(UInt8(ascii: ":")), let address = try? IPAddress(String(decoding: host, as: UTF8.self)) else {
                throw .invalidHost
            }
            host = Array("[\(address.text)]".utf8)[...]
        } else {
            if host.contains(where: Origin.isUpperCase) { host = host.map { Origin.isUpperCase($0) ? $0 | 0x20 : $0 }[...] }
            guard Origin.isHost(host) else { throw .invalidHost }
        }
        text = Origin.text(host, port: port)
    }

    /// In one allocation: it is made for each request.
    private static func text(_ host: ArraySlice<UInt8>, port: Int) -> String {
        let scheme = UnsafeBufferPointer(start: scheme.utf8Start, count: scheme.utf8CodeUnitCount)
        let portText = port == defaultPort ? "" : ":\(port)"
        return String(unsafeUninitializedCapacity: scheme.count + host.count + portText.utf8.count) { text in
            var end = text.initialize(fromContentsOf: scheme)
            end = text[end...].initialize(fromContentsOf: host)
            return text[end...].initialize(fromContentsOf: portText.utf8)
        }
    }

    private static func isUpperCase(_ byte: UInt8) -> Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) }

    /// A name in lower case or an IPv4 address. A trailing dot would be a second spelling of one host.
    private static func isHost(_ host: ArraySlice<UInt8>) -> Bool {
        // Text of digits and dots only must be an address in its canonical form.
        if host.allSatisfy({ $0 == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            return (try? IPAddress(String(decoding: host, as: UTF8.self))) != nil
        }
        return host.count <= DNSName.maximumLength && DNSName.problem(ofName: host) == nil
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

    public var description: String { text }

    public static func < (left: Origin, right: Origin) -> Bool { left.text.utf8.lexicographicallyPrecedes(right.text.utf8) }
}

extension Origin {
    /// The origin in a text that says more, such as a directory's URL, or less, such as a bare host; `nil` if there is
    /// none.
    public static func meant(by text: String) -> Origin? {
        for candidate in [text, "https://" + text] {
            if let origin = (try? ACMEURL(candidate))?.origin ?? (try? Origin(candidate)) { return origin }
        }
        return nil
    }
}
