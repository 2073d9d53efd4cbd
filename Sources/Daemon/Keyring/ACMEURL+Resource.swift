import ACME

extension ACMEURL {
    /// Whether a server may take both for one resource: percent-encoding undone until nothing is left of it, the path without what stands after
    /// `?`, `;` or `#`, empty and dot segments and a slash at the end dropped, letters of either case, numbers by their value. Wider than what any
    /// CA does, since a `true` only refuses.
    func isSameResource(as other: ACMEURL) -> Bool { origin == other.origin && segments == other.segments }

    /// Whether a server may take this URL for that of an account, given one spelling of the account's URL, where it ignores or parses the last part
    /// of the path, or ignores what follows it: the same resource, one beside it, above it or below it, or one of the same last part nearer to the
    /// root (a CA may take only the last part of the key identifier for the account's).
    func isNear(account: ACMEURL) -> Bool {
        guard origin == account.origin else { return false }
        let own = segments, accounts = account.segments, folder = accounts.dropLast()
        if own.dropLast() == folder || own[...] == folder || own.starts(with: accounts) { return true }
        return own.last == accounts.last && folder.starts(with: own.dropLast())
    }

    /// The path's segments in one spelling.
    private var segments: [[UInt8]] {
        var path = Array(self.path.utf8)
        while path.contains(UInt8(ascii: "%")) {
            let decoded = ACMEURL.decode(path)
            if decoded == path { break }
            path = decoded
        }
        let letters = path.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: "#") }
            .filter { $0 > 0x20 && $0 != 0x7F }
            .map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        var segments: [[UInt8]] = []
        for segment in letters.split(whereSeparator: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }) {
            if segment.elementsEqual("..".utf8) {
                _ = segments.popLast()
            } else if !segment.elementsEqual(".".utf8) {
                segments.append(ACMEURL.byValue(segment))
            }
        }
        return segments
    }

    /// A decimal number without signs and leading zeros; anything else as it is.
    private static func byValue(_ segment: ArraySlice<UInt8>) -> [UInt8] {
        let digits = segment.drop { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") }
        guard let last = digits.last, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return Array(segment) }
        let value = digits.drop { $0 == 0x30 }
        return value.isEmpty ? [last] : Array(value)
    }

    /// Undoes percent-encoding once; each time the text gets shorter or stays.
    private static func decode(_ path: [UInt8]) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(path.count)
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
