import ACME

extension ACMEURL {
    /// Whether a server may take both for one resource: percent-encoding undone until nothing is left of it, the path without what stands behind
    /// `?`, `;` or `#`, empty segments and a slash at the end dropped, letters of either case. Wider than what any CA does, since a `true` only
    /// refuses.
    func isSameResource(as other: ACMEURL) -> Bool {
        origin == other.origin && ACMEURL.normalized(path) == ACMEURL.normalized(other.path)
    }

    private static func normalized(_ target: String) -> [[UInt8]] {
        var path = Array(target.utf8)
        while true {
            let decoded = decode(path)
            if decoded == path { break }
            path = decoded
        }
        return path.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: "#") }
            .filter { $0 > 0x20 && $0 != 0x7F }
            .map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
            .split(separator: UInt8(ascii: "/")).map(Array.init)
    }

    /// Undoes percent-encoding once; each time the text gets shorter or stays.
    private static func decode(_ path: [UInt8]) -> [UInt8] {
        var decoded: [UInt8] = []
        var at = 0
        while at < path.count {
            if path[at] == UInt8(ascii: "%"), at + 2 < path.count, let high = digit(path[at + 1]), let low = digit(path[at + 2]) {
                decoded.append(high << 4 | low)
                at += 3
            } else {
                decoded.append(path[at])
                at += 1
            }
        }
        return decoded
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
