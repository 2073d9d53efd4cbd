import JOSE
import StrictJSON

/// An https URL of a CA (RFC 8555 §6.1), checked so that two parsers cannot read it as two places: no user information,
/// fragment, backslash, dot segment or ambiguous host or port. The text is kept unchanged, since a server compares
/// `url` byte by byte (§6.4).
public struct ACMEURL: Hashable, Sendable, CustomStringConvertible {
    /// A CA's URLs have about 100 bytes; those of renewal information, the longest, stay below 200. Front end and agent
    /// accept no longer ones.
    public static let maximumLength = 1024

    /// As given.
    public let text: String
    /// Scheme, host and port in canonical form.
    public let origin: Origin
    /// Offset of the path in `text`, in bytes.
    private let pathOffset: Int

    /// Path and query as given; begins with `/`.
    public var path: String { String(decoding: text.utf8.dropFirst(pathOffset), as: UTF8.self) }
    /// Lower case; an IPv6 address without brackets.
    public var host: String { origin.host }
    /// 1 to 65535; 443 if the text has no port.
    public var port: Int { origin.port }

    /// - Throws: the first fault found.
    public init(_ text: String) throws(ACMEURLError) { try self.init(utf8: Array(text.utf8)[...]) }

    /// From UTF-8 bytes, which may be part of a longer text.
    /// - Parameter neighbour: a URL that is probably of the same CA. If both are the same up to the path, its origin is
    ///   reused instead of being parsed again.
    /// - Throws: the first fault found.
    public init(utf8 bytes: ArraySlice<UInt8>, neighbour: ACMEURL? = nil) throws(ACMEURLError) {
        let rest = try ACMEURL.afterScheme(bytes)
        let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
        pathOffset = end - bytes.startIndex
        if let neighbour, neighbour.begins(with: bytes[..<end]) {
            origin = neighbour.origin
        } else {
            origin = try Origin(authority: rest[..<end])
        }
        let target = rest[end...]
        guard target.first == UInt8(ascii: "/") else { throw .noPath }
        try ACMEURL.checkSegments(target)
        text = String(decoding: bytes, as: UTF8.self)
    }

    /// Resolves a URI reference from an HTTP field (RFC 3986 §5.2; RFC 9110 §10.2.2, RFC 8288 §3.1): a URL, or a
    /// relative reference that `base` completes.
    /// - Throws: the first fault found in the result.
    public init(reference: String, relativeTo base: ACMEURL) throws(ACMEURLError) {
        let bytes = reference.utf8
        let origin = String(decoding: base.text.utf8.prefix(base.pathOffset), as: UTF8.self)
        if bytes.starts(with: "//".utf8) {
            try self.init("https:" + reference)
        } else if bytes.starts(with: "/".utf8) {
            try self.init(origin + ACMEURL.withoutDotSegments(reference))
        } else if let mark = bytes.first(where: { ":/?#".utf8.contains($0) }), mark == UInt8(ascii: ":") {
            try self.init(reference)
        } else {
            let path = String(decoding: base.path.utf8.prefix { $0 != UInt8(ascii: "?") }, as: UTF8.self)
            guard !bytes.isEmpty, bytes.first != UInt8(ascii: "?") else {
                try self.init(bytes.isEmpty ? base.text : origin + path + reference)
                return
            }
            let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { path[...$0] } ?? "/"
            try self.init(origin + ACMEURL.withoutDotSegments(folder + reference))
        }
    }

    /// RFC 3986 §5.2.4, for a path that begins with a slash; the query stays.
    private static func withoutDotSegments(_ target: String) -> String {
        let end = target.utf8.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
        var segments: [Substring] = []
        let all = target[..<end].split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        for (index, segment) in all.enumerated() {
            let isLast = index == all.count - 1
            switch segment {
            case ".": if isLast { segments.append("") }
            case "..":
                _ = segments.popLast()
                if isLast { segments.append("") }
            default: segments.append(segment)
            }
        }
        return "/" + segments.joined(separator: "/") + target[end...]
    }

    /// Whether these are exactly the bytes before the path.
    private func begins(with letters: ArraySlice<UInt8>) -> Bool {
        pathOffset == letters.count
            && text.utf8.withContiguousStorageIfAvailable { own in
                letters.withUnsafeBufferPointer { areSame(UnsafeBufferPointer(rebasing: own.prefix(pathOffset)), $0) }
            } ?? false
    }

    /// Checks length, scheme and every byte; returns what follows `https://`.
    static func afterScheme(_ bytes: ArraySlice<UInt8>) throws(ACMEURLError) -> ArraySlice<UInt8> {
        guard bytes.count <= maximumLength else { throw .tooLong }
        // Only the scheme may be in either case (RFC 3986 §3.1).
        guard bytes.count >= scheme.count, zip(bytes, scheme).allSatisfy({ $0 == $1 || ($0 | 0x20 == $1 && $0 & 0x40 != 0) }) else {
            throw .notHTTPS
        }
        for index in bytes.indices where !isPlain(bytes[index]) {
            switch bytes[index] {
            case UInt8(ascii: "#"): throw .fragment
            case 0...0x20, 0x7F..., UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "^"),
                UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"):
                throw .invalidByte
            case UInt8(ascii: "%"):
                guard bytes.endIndex - index > 2, Hexadecimal.value(of: bytes[index + 1]) != nil,
                    Hexadecimal.value(of: bytes[index + 2]) != nil
                else { throw .invalidByte }
            default: break
            }
        }
        return bytes.dropFirst(scheme.count)
    }

    /// The letters, digits and signs that make up nearly every URL.
    private static func isPlain(_ byte: UInt8) -> Bool {
        (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")) || (byte >= UInt8(ascii: "-") && byte <= UInt8(ascii: ":"))
    }

    private static let scheme = Array("https://".utf8)

    /// Segments are checked after percent-decoding, since a server decodes them too; a decoded slash separates
    /// segments.
    private static func checkSegments(_ target: ArraySlice<UInt8>) throws(ACMEURLError) {
        // Without a dot, encoded or not, there is no such segment.
        guard target.contains(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "%") }) else { return }
        let path = target.prefix { $0 != UInt8(ascii: "?") }
        // Dots in the segment so far; `nil` once it has any other byte.
        var dots: Int? = 0
        var at = path.startIndex
        while at < path.endIndex {
            var byte = path[at]
            at += 1
            if byte == UInt8(ascii: "%"), path.endIndex - at > 1, let high = Hexadecimal.value(of: path[at]),
                let low = Hexadecimal.value(of: path[at + 1])
            {
                byte = high << 4 | low
                at += 2
            }
            switch byte {
            case UInt8(ascii: "/"), UInt8(ascii: "\\"):
                guard dots != 1, dots != 2 else { throw .dotSegment }
                dots = 0
            case UInt8(ascii: "."): dots = dots.map { $0 + 1 }
            case 0..<0x20, 0x7F: throw .invalidByte
            default: dots = nil
            }
        }
        guard dots != 1, dots != 2 else { throw .dotSegment }
    }

    public var description: String { text }
}
