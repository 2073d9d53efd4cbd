import ACME

/// Walks DER (X.690) element by element and builds nothing: for what is too large, or read too often, for a tree of
/// nodes. Only the canonical lengths are read; what the elements contain is the caller's.
public struct DERCursor: Sendable {
    /// One element: its identifier octet, its content and all of it.
    public struct Element: Sendable {
        public let tag: UInt8
        public let content: ArraySlice<UInt8>
        public let encoded: ArraySlice<UInt8>

        /// The elements that it contains.
        public var inside: DERCursor { DERCursor(content) }
    }

    /// The bytes are not DER, or not the expected element.
    public struct Fault: Error, Hashable, Sendable {
        public init() {}
    }

    /// Identifier octets (X.680 §8.4).
    public enum Tag {
        public static let boolean: UInt8 = 0x01
        public static let integer: UInt8 = 0x02
        public static let bitString: UInt8 = 0x03
        public static let octetString: UInt8 = 0x04
        public static let objectIdentifier: UInt8 = 0x06
        public static let enumerated: UInt8 = 0x0A
        public static let utcTime: UInt8 = 0x17
        public static let generalizedTime: UInt8 = 0x18
        public static let sequence: UInt8 = 0x30

        /// A context-specific tag.
        public static func context(_ number: UInt8, isConstructed: Bool) -> UInt8 { (isConstructed ? 0xA0 : 0x80) | number }
    }

    /// What has not been read.
    public private(set) var rest: ArraySlice<UInt8>

    public init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    public var isAtEnd: Bool { rest.isEmpty }

    /// The next element's identifier octet; `nil` at the end.
    public var nextTag: UInt8? { rest.first }

    /// Reads the next element.
    public mutating func next() throws(Fault) -> Element {
        let start = rest.startIndex, end = rest.endIndex
        // No element here has a tag number above 30.
        guard end - start >= 2, rest[start] & 0x1F != 0x1F else { throw Fault() }
        let tag = rest[start], first = rest[start + 1]
        var contentStart = start + 2, length = Int(first)
        if first >= 0x80 {
            // 0x80 is the indefinite form, which is BER; four length octets are 4 GB.
            let count = Int(first & 0x7F)
            guard (1...4).contains(count), end - contentStart >= count else { throw Fault() }
            length = 0
            for _ in 0..<count {
                length = length << 8 | Int(rest[contentStart])
                contentStart += 1
            }
            // The shortest form only (X.690 §10.1).
            guard length >= 0x80, length >> (8 * (count - 1)) != 0 else { throw Fault() }
        }
        guard end - contentStart >= length else { throw Fault() }
        let contentEnd = contentStart + length
        let element = Element(tag: tag, content: rest[contentStart..<contentEnd], encoded: rest[start..<contentEnd])
        rest = rest[contentEnd...]
        return element
    }

    /// Reads the next element, which must have this tag.
    public mutating func next(_ tag: UInt8) throws(Fault) -> Element {
        guard nextTag == tag else { throw Fault() }
        return try next()
    }

    /// Reads the next element if it has this tag.
    public mutating func optional(_ tag: UInt8) throws(Fault) -> Element? { nextTag == tag ? try next() : nil }

    /// - Throws: if something follows.
    public func finish() throws(Fault) { guard isAtEnd else { throw Fault() } }

    /// A BOOLEAN, whose only values are 0x00 and 0xFF (X.690 §11.1).
    public static func boolean(_ content: ArraySlice<UInt8>) throws(Fault) -> Bool {
        guard content.count == 1, let byte = content.first, byte == 0 || byte == 0xFF else { throw Fault() }
        return byte == 0xFF
    }

    /// A non-negative INTEGER without leading zeros.
    public static func number(_ content: ArraySlice<UInt8>) throws(Fault) -> ArraySlice<UInt8> {
        guard let first = content.first, first < 0x80 else { throw Fault() }
        return content.drop { $0 == 0 }
    }

    /// Unix seconds of a Time (RFC 5280 §4.1.2.5): to the second, in UTC.
    public static func seconds(_ element: Element) throws(Fault) -> Int64 {
        let digits = element.content.dropLast()
        guard element.content.last == UInt8(ascii: "Z"), digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            throw Fault()
        }
        var text = String(decoding: digits, as: UTF8.self)
        switch (element.tag, digits.count) {
        case (Tag.utcTime, 12): text = (text < "50" ? "20" : "19") + text
        case (Tag.generalizedTime, 14): break
        default: throw Fault()
        }
        var parts: [Substring] = [text.prefix(4)]
        var left = text.dropFirst(4)
        while !left.isEmpty {
            parts.append(left.prefix(2))
            left = left.dropFirst(2)
        }
        guard parts.count == 6, let seconds = RFC3339.seconds("\(parts[0])-\(parts[1])-\(parts[2])T\(parts[3]):\(parts[4]):\(parts[5])Z")
        else { throw Fault() }
        return seconds
    }
}
