/// An https URL of a CA (RFC 8555 §6.1), checked so that two readers cannot take it for two places: no user information, fragment,
/// backslash, dot segment or second spelling of host and port. Kept as it came, since a server compares `url` byte by byte (§6.4).
public struct ACMEURL: Hashable, Sendable, CustomStringConvertible {
    /// More than twice what any CA's URLs have; renewal information, the longest, stays below 200.
    public static let maximumLength = 2048

    /// As given.
    public let text: String
    /// Scheme, host and port in canonical form.
    public let origin: Origin
    /// Path and query as given; begins with `/`.
    public let path: String

    /// Lower case; an IPv6 address without brackets.
    public var host: String { origin.host }
    /// 1 to 65535; 443 where the text has none.
    public var port: Int { origin.port }

    /// - Throws: the first thing that is wrong with it.
    public init(_ text: String) throws(ACMEURLError) {
        let bytes = Array(text.utf8)
        let rest = try ACMEURL.afterScheme(bytes)
        let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
        origin = try Origin(authority: rest[..<end])
        let target = rest[end...]
        guard target.first == UInt8(ascii: "/") else { throw .noPath }
        try ACMEURL.checkSegments(target)
        self.text = text
        self.path = String(decoding: target, as: UTF8.self)
    }

    /// Length, scheme and every single byte; gives what is behind `https://`.
    static func afterScheme(_ bytes: [UInt8]) throws(ACMEURLError) -> ArraySlice<UInt8> {
        guard bytes.count <= maximumLength else { throw .tooLong }
        // The scheme alone may be in either case (RFC 3986 §3.1).
        guard bytes.prefix(8).map({ $0 | 0x20 }).elementsEqual("https://".utf8.map { $0 | 0x20 }),
            bytes.prefix(8).suffix(3).elementsEqual("://".utf8)
        else { throw .notHTTPS }
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "#"): throw .fragment
            case 0...0x20, 0x7F..., UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "^"),
                UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"):
                throw .invalidByte
            case UInt8(ascii: "%"):
                guard bytes.count - index > 2, hex(bytes[index + 1]) != nil, hex(bytes[index + 2]) != nil else { throw .invalidByte }
            default: break
            }
        }
        return bytes[8...]
    }

    /// Segments are looked at with their percent-encoding undone, since a server does that too; a slash that comes to light divides.
    private static func checkSegments(_ target: ArraySlice<UInt8>) throws(ACMEURLError) {
        let path = target.prefix { $0 != UInt8(ascii: "?") }
        var decoded: [UInt8] = []
        var at = path.startIndex
        while at < path.endIndex {
            if path[at] == UInt8(ascii: "%"), path.endIndex - at > 2, let high = hex(path[at + 1]), let low = hex(path[at + 2]) {
                decoded.append(high << 4 | low)
                at += 3
            } else {
                decoded.append(path[at])
                at += 1
            }
        }
        guard decoded.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { throw .dotSegment }
        for segment in decoded.split(whereSeparator: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }) {
            guard !segment.elementsEqual(".".utf8), !segment.elementsEqual("..".utf8) else { throw .dotSegment }
        }
    }

    private static func hex(_ letter: UInt8) -> UInt8? {
        switch letter {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): letter - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): letter - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): letter - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    public var description: String { text }
}
