import ACME

extension ACMEURL {
    /// Whether a server may take both for one resource: the path without its query, percent-encoding undone, empty segments and a slash at
    /// the end dropped, letters of either case. Wider than what any CA does, since a `true` only refuses.
    func isSameResource(as other: ACMEURL) -> Bool {
        origin == other.origin && ACMEURL.normalized(path) == ACMEURL.normalized(other.path)
    }

    private static func normalized(_ target: String) -> [[UInt8]] {
        let path = Array(target.utf8.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: ";") })
        var decoded: [UInt8] = []
        var at = 0
        while at < path.count {
            if path[at] == UInt8(ascii: "%"), at + 2 < path.count,
                let byte = UInt8(String(decoding: path[(at + 1)...(at + 2)], as: UTF8.self), radix: 16)
            {
                decoded.append(byte)
                at += 3
            } else {
                decoded.append(path[at])
                at += 1
            }
        }
        return decoded.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
            .split(separator: UInt8(ascii: "/")).map(Array.init)
    }
}
