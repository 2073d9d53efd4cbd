/// A certificate's name in the form that policy compares (Docs/policy.md, "Identifiers").
struct Name: Hashable, CustomStringConvertible {
    enum Kind: String {
        case dns, ip
    }

    var kind: Kind
    /// Lower case and without a trailing dot, or an address's canonical text.
    var value: String

    var description: String { "\(kind.rawValue):\(value)" }
    var isWildcard: Bool { kind == .dns && value.hasPrefix("*.") }

    /// What the rules of names say about a text.
    enum Reading: Equatable {
        case valid(Name)
        /// The documents leave open whether the agent takes it. If it does, what is signed must be covered by policy.
        case open
        case invalid
    }

    static func read(type: String, value: String) -> Reading {
        switch type {
        case "dns": readDNS(value)
        case "ip": readAddress(value)
        default: .invalid
        }
    }

    /// RFC 1035 section 2.3.4 has the lengths, RFC 5890 section 2.3.1 the letters, RFC 8555 section 7.1.3 the wildcard.
    private static func readDNS(_ text: String) -> Reading {
        var bytes = Array(text.utf8)
        if bytes.contains(where: { $0 >= 0x80 }) { return .open }
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        guard !bytes.isEmpty, bytes.count <= 253 else { return .invalid }
        bytes = bytes.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }
        let labels = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map { Array($0) }
        var isOpen = labels.count == 1
        for (place, label) in labels.enumerated() {
            if label == [UInt8(ascii: "*")], place == 0, labels.count > 1 {
                if labels.count == 2 { isOpen = true }
                continue
            }
            guard (1...63).contains(label.count), label.first != UInt8(ascii: "-"), label.last != UInt8(ascii: "-"),
                label.allSatisfy({ (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") })
            else { return .invalid }
            // Two hyphens there are reserved; whether an A-label must decode is not said.
            if label.count >= 4, label[2] == UInt8(ascii: "-"), label[3] == UInt8(ascii: "-") { isOpen = true }
        }
        // Nothing says what a name is whose last label is a number, which looks like an address.
        if labels.last?.allSatisfy({ (0x30...0x39).contains($0) }) == true { isOpen = true }
        return isOpen ? .open : .valid(Name(kind: .dns, value: String(decoding: bytes, as: UTF8.self)))
    }

    private static func readAddress(_ text: String) -> Reading {
        guard let bytes = Address.read(text) else { return .invalid }
        // RFC 4291 allows an IPv4 address within an IPv6 address; what the agent makes of one is not said.
        return text.contains(":") && text.contains(".") ? .open : .valid(Name(kind: .ip, value: Address.text(bytes)))
    }
}

/// IPv4 and IPv6 addresses, as 4 or 16 bytes.
enum Address {
    static func read(_ text: String) -> [UInt8]? { text.contains(":") ? readSix(text) : readFour(text) }

    /// Four decimal numbers without leading zeros (RFC 3986 section 3.2.2).
    private static func readFour(_ text: String) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let byte = UInt8(part),
                part == "0" || part.first != "0"
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    /// RFC 4291 section 2.2.
    private static func readSix(_ text: String) -> [UInt8]? {
        func groups(_ text: Substring, mayEndInFour: Bool) -> [UInt8]? {
            if text.isEmpty { return [] }
            var bytes: [UInt8] = []
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            for (place, part) in parts.enumerated() {
                if mayEndInFour, place == parts.count - 1, part.contains(".") {
                    guard let four = readFour(String(part)) else { return nil }
                    bytes += four
                } else {
                    guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ "0123456789abcdefABCDEF".utf8.contains($0) }),
                        let group = UInt16(part, radix: 16)
                    else { return nil }
                    bytes += [UInt8(group >> 8), UInt8(group & 0xFF)]
                }
            }
            return bytes
        }
        let all = text[...]
        for place in all.indices where all[place...].hasPrefix("::") {
            let rest = all[all.index(place, offsetBy: 2)...]
            guard let head = groups(all[..<place], mayEndInFour: false), let tail = groups(rest, mayEndInFour: true),
                head.count + tail.count <= 14
            else { return nil }
            return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
        }
        guard let bytes = groups(all, mayEndInFour: true), bytes.count == 16 else { return nil }
        return bytes
    }

    /// RFC 5952 section 4 for IPv6.
    static func text(_ bytes: [UInt8]) -> String {
        guard bytes.count == 16 else { return bytes.map { String($0) }.joined(separator: ".") }
        let groups = stride(from: 0, to: 16, by: 2).map { Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]) }
        var best = 0..<0
        for start in 0..<8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
        }
        func joined(_ part: ArraySlice<Int>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
        return best.isEmpty ? joined(groups[...]) : joined(groups[..<best.lowerBound]) + "::" + joined(groups[best.upperBound...])
    }
}
