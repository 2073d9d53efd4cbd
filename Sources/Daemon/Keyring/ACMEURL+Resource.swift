import ACME
import JOSE

extension ACMEURL {
    /// Whether a server might treat both as one resource. Percent-encoding is decoded until none is left. What follows
    /// `?`, `;` or `#` is dropped, and so are empty and dot segments and a slash at the end. Letters compare without
    /// case, numbers by value. No CA goes as far; a wrong `true` only refuses.
    func isSameResource(as other: ACMEURL) -> Bool { origin == other.origin && segments == other.segments }

    /// Whether a server might take this URL for that of an account, given one spelling of the account's URL. The server
    /// may ignore or parse the last part of the path, or ignore what follows it. True for the same resource, one next
    /// to, above or below it, and one with the same last part nearer to the root (a CA may look only at the last part
    /// of the key identifier).
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

    /// A decimal number without signs and leading zeros; anything else unchanged.
    private static func byValue(_ segment: ArraySlice<UInt8>) -> [UInt8] {
        let digits = segment.drop { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") }
        guard let last = digits.last, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return Array(segment) }
        let value = digits.drop { $0 == 0x30 }
        return value.isEmpty ? [last] : Array(value)
    }

    /// Decodes percent-encoding once; the text gets shorter or stays the same.
    private static func decode(_ path: [UInt8]) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(path.count)
        var at = 0
        while at < path.count {
            if path[at] == UInt8(ascii: "%"), at + 2 < path.count, let high = Hexadecimal.value(of: path[at + 1]),
                let low = Hexadecimal.value(of: path[at + 2])
            {
                decoded.append(high << 4 | low)
                at += 3
            } else {
                decoded.append(path[at])
                at += 1
            }
        }
        return decoded
    }

}
