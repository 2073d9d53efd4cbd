import JOSE

/// An IPv4 or IPv6 address as identifier (RFC 8738 §3). Each has one text form: dotted decimal without leading zeros,
/// or RFC 5952.
public struct IPAddress: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// 4 or 16 bytes in network order, as in a certificate's iPAddress (RFC 5280 §4.2.1.6).
    public let bytes: [UInt8]

    /// Whether it has 4 bytes.
    public var isIPv4: Bool { bytes.count == 4 }

    /// Parses an address. `010.0.0.1` (octal to some), zone IDs, dotted tails and IPv4-mapped addresses are refused:
    /// each is a second spelling of another address.
    public init(_ text: String) throws(IdentifierError) {
        // The longest IPv6 text has 39 characters.
        guard text.utf8.count <= 45 else { throw .address(text, "it is too long") }
        let letters = Array(text.utf8)
        if letters.contains(UInt8(ascii: ":")) {
            guard !letters.contains(UInt8(ascii: "%")) else { throw .address(text, "it has a zone id") }
            guard !letters.contains(UInt8(ascii: ".")) else { throw .address(text, "it has an IPv4 address within an IPv6 address") }
            guard let bytes = IPAddress.version6(letters) else { throw .address(text, "it is neither IPv4 nor IPv6") }
            guard !IPAddress.isMapped(bytes) else { throw .address(text, "it is an IPv4-mapped address; give the IPv4 address") }
            self.bytes = bytes
        } else {
            guard let bytes = IPAddress.version4(letters) else { throw .address(text, "it is neither IPv4 nor IPv6") }
            self.bytes = bytes
        }
    }

    /// From the bytes of a certificate's iPAddress.
    public init(bytes: [UInt8]) throws(IdentifierError) {
        guard bytes.count == 4 || bytes.count == 16 else { throw .address("\(bytes.count) bytes", "an address has 4 or 16 bytes") }
        guard !IPAddress.isMapped(bytes) else { throw .address("16 bytes", "it is an IPv4-mapped address") }
        self.bytes = bytes
    }

    private static func isMapped(_ bytes: [UInt8]) -> Bool {
        bytes.count == 16 && bytes.prefix(10).allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
    }

    private static func version4(_ text: [UInt8]) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            var value = 0
            for letter in part {
                guard let digit = Hexadecimal.value(of: letter), digit < 10 else { return nil }
                value = value * 10 + Int(digit)
            }
            guard let byte = UInt8(exactly: value) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    /// RFC 4291 §2.2 forms 1 and 2.
    private static func version6(_ text: [UInt8]) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        // "::" leaves an empty part; at an end of the text it leaves two.
        guard (3...9).contains(parts.count) else { return nil }
        var head: [UInt8] = []
        var tail: [UInt8] = []
        var isCompressed = false
        for (index, part) in parts.enumerated() {
            if part.isEmpty {
                if index == 0 {
                    guard parts[1].isEmpty else { return nil }
                } else if index == parts.count - 1 {
                    guard parts[index - 1].isEmpty else { return nil }
                } else {
                    guard !isCompressed else { return nil }
                    isCompressed = true
                }
                continue
            }
            guard part.count <= 4 else { return nil }
            var value: UInt16 = 0
            for letter in part {
                guard let digit = Hexadecimal.value(of: letter) else { return nil }
                value = value << 4 | UInt16(digit)
            }
            let pair = [UInt8(value >> 8), UInt8(value & 0xFF)]
            if isCompressed { tail += pair } else { head += pair }
        }
        let missing = 16 - head.count - tail.count
        guard isCompressed ? missing >= 2 : missing == 0 else { return nil }
        return head + [UInt8](repeating: 0, count: missing) + tail
    }

    /// The canonical text; for IPv6, as in RFC 5952 §4.
    public var text: String {
        if isIPv4 { return bytes.map { String($0) }.joined(separator: ".") }
        let groups = stride(from: 0, to: bytes.count - 1, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        // The longest run of at least two zero groups, the first if there are several (§4.2).
        var best = 0..<0
        var start = 0
        while start < groups.count {
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = max(end, start + 1)
        }
        let words = groups.map { String($0, radix: 16) }
        if best.isEmpty { return words.joined(separator: ":") }
        return words[..<best.lowerBound].joined(separator: ":") + "::" + words[best.upperBound...].joined(separator: ":")
    }

    /// The server name that a tls-alpn-01 validation sends for the address (RFC 8738 §6), without a trailing dot.
    public var reverseName: String {
        if isIPv4 { return bytes.reversed().map { String($0) }.joined(separator: ".") + ".in-addr.arpa" }
        let nibbles = bytes.reversed().flatMap { [$0 & 15, $0 >> 4] }
        return nibbles.map { String($0, radix: 16) }.joined(separator: ".") + ".ip6.arpa"
    }

    public var description: String { text }

    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        left.bytes.count == right.bytes.count ? left.bytes.lexicographicallyPrecedes(right.bytes) : left.isIPv4
    }
}
