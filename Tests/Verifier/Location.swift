/// An https URL, taken apart as RFC 3986 section 3 says and no further.
struct Location {
    var host: String
    var port: Int
    /// With its leading slash; what follows `?` is apart.
    var path: String
    var query: String?

    /// What a request may be signed for (Docs/policy.md, "Keys and CAs"): https, with a host, without user
    /// information and fragment, in the characters that RFC 3986 allows.
    enum Reading {
        case valid(Location)
        /// The documents leave open whether the agent takes this spelling.
        case open(Location)
        case invalid
    }

    static func read(_ text: String) -> Reading {
        let bytes = Array(text.utf8)
        let extra = "-._~:/?[]@!$&'()*+,;=%"
        guard bytes.allSatisfy({ isLetterOrDigit($0) || extra.utf8.contains($0) }), bytes.count >= 9 else { return .invalid }
        var isOpen = bytes.count > 1_000
        guard text.lowercased().hasPrefix("https://") else { return .invalid }
        if !text.hasPrefix("https://") { isOpen = true }
        let rest = text.dropFirst(8)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let authority = rest[..<end], tail = rest[end...]
        guard !authority.contains("@"), !authority.isEmpty else { return .invalid }
        var host = authority, port = 443
        let colon: Substring.Index?
        if authority.hasPrefix("[") {
            guard let close = authority.firstIndex(of: "]") else { return .invalid }
            let after = authority.index(after: close)
            colon = after == authority.endIndex ? nil : after
        } else {
            colon = authority.firstIndex(of: ":")
        }
        if let colon {
            host = authority[..<colon]
            let digits = authority[authority.index(after: colon)...]
            guard authority[colon] == ":" else { return .invalid }
            if digits.isEmpty {
                isOpen = true
            } else {
                guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits), (1...65_535).contains(number)
                else { return .invalid }
                port = number
                if number == 443 || digits.hasPrefix("0") { isOpen = true }
            }
        }
        guard !host.isEmpty, !host.contains("%") else { return .invalid }
        if host.lowercased() != String(host) || host.hasSuffix(".") { isOpen = true }
        if !host.hasPrefix("["), !host.utf8.allSatisfy({ isLetterOrDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }) {
            return .invalid
        }
        let parts = tail.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts.first.map(String.init) ?? "", query = parts.count > 1 ? String(parts[1]) : nil
        if path.isEmpty || path.contains("[") || path.contains("]") { isOpen = true }
        if path.split(separator: "/").contains(where: { [".", ".."].contains($0.lowercased().replacingEncodedDots) }) { isOpen = true }
        if path.contains("//") || !hasValidEscapes(tail) || tail.contains("%") { isOpen = true }
        let location = Location(host: host.lowercased(), port: port, path: path, query: query)
        return isOpen ? .open(location) : .valid(location)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte) || (0x30...0x39).contains(byte)
    }

    private static func hasValidEscapes(_ text: Substring) -> Bool {
        let bytes = Array(text.utf8)
        for (place, byte) in bytes.enumerated() where byte == UInt8(ascii: "%") {
            guard bytes.count - place > 2, bytes[place + 1...place + 2].allSatisfy({ "0123456789abcdefABCDEF".utf8.contains($0) })
            else { return false }
        }
        return true
    }

    /// Scheme, host and port.
    var origin: String { port == 443 ? "https://\(host)" : "https://\(host):\(port)" }

    /// What the most lenient CA makes of the path: percent-encoding decoded, letter case ignored, empty and dot segments
    /// resolved, what follows `;` dropped, signs and leading zeros of numbers ignored (Docs/threat-model.md, "Payloads
    /// that coincide").
    var lenientSegments: [String] {
        var decoded: [UInt8] = Array(path.utf8)
        // A server may decode twice.
        for _ in 0..<2 {
            var next: [UInt8] = []
            var place = 0
            while place < decoded.count {
                if decoded[place] == UInt8(ascii: "%"), decoded.count - place > 2,
                    let byte = UInt8(String(decoding: decoded[place + 1...place + 2], as: UTF8.self), radix: 16)
                {
                    next.append(byte)
                    place += 3
                } else {
                    next.append(decoded[place])
                    place += 1
                }
            }
            decoded = next
        }
        let text = String(decoding: decoded, as: UTF8.self).lowercased()
        var segments: [String] = []
        for part in text.split(separator: "?", omittingEmptySubsequences: false)[0].split(separator: "/") {
            let plain = part.split(separator: ";", omittingEmptySubsequences: false)[0]
            if plain.isEmpty || plain == "." { continue }
            if plain == ".." {
                _ = segments.popLast()
                continue
            }
            var number = plain
            if number.first == "+" || number.first == "-" { number = number.dropFirst() }
            if !number.isEmpty, number.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
                let digits = number.drop { $0 == "0" }
                segments.append(digits.isEmpty ? "0" : String(digits))
            } else {
                segments.append(String(plain))
            }
        }
        return segments
    }
}

extension String {
    /// `%2e` as a dot.
    fileprivate var replacingEncodedDots: String {
        split(separator: "%2e", omittingEmptySubsequences: false).joined(separator: ".")
    }
}
