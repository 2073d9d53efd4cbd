/// Reads the few DER forms (X.690) that keys and signatures have; anything but the canonical encoding is `nil`.
package struct DERReader {
    private let bytes: ArraySlice<UInt8>
    private var at: Int

    package init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        self.at = bytes.startIndex
    }

    package var isAtEnd: Bool { at == bytes.endIndex }

    /// What has not been read.
    package var rest: [UInt8] { Array(bytes[at...]) }

    /// Returns the content of the next element and moves past it, if it has this tag.
    package mutating func content(tag: DERTag) -> ArraySlice<UInt8>? {
        guard bytes.endIndex - at >= 2, bytes[at] == tag.rawValue else { return nil }
        let first = bytes[at + 1]
        var start = at + 2
        var length = Int(first)
        if first >= 0x80 {
            // Two length bytes suffice for every key read here; the indefinite form (0x80) is BER only.
            let count = Int(first & 0x7F)
            guard count == 1 || count == 2, bytes.endIndex - start >= count else { return nil }
            length = 0
            for _ in 0..<count {
                length = length << 8 | Int(bytes[start])
                start += 1
            }
            guard length >= (count == 1 ? 0x80 : 0x100) else { return nil }
        }
        guard bytes.endIndex - start >= length else { return nil }
        at = start + length
        return bytes[start..<at]
    }

    package mutating func reader(tag: DERTag) -> DERReader? { content(tag: tag).map { DERReader($0) } }

    /// A positive INTEGER without its sign byte.
    package mutating func positiveInteger() -> ArraySlice<UInt8>? {
        guard let content = content(tag: .integer), let first = content.first, first < 0x80 else { return nil }
        guard first == 0 else { return content }
        // Zero is not positive; a sign byte is allowed only if the next byte has its high bit set.
        guard let second = content.dropFirst().first, second >= 0x80 else { return nil }
        return content.dropFirst()
    }

    /// A UTF8String; `nil` also if it is not UTF-8.
    package mutating func text() -> String? { content(tag: .utf8String).flatMap { String(validating: $0, as: UTF8.self) } }

    /// A BIT STRING of whole bytes.
    package mutating func bitString() -> ArraySlice<UInt8>? {
        guard let content = content(tag: .bitString), content.first == 0 else { return nil }
        return content.dropFirst()
    }
}

/// The tags read and written here (X.680).
package enum DERTag: UInt8 {
    case integer = 0x02
    case bitString = 0x03
    case null = 0x05
    case objectIdentifier = 0x06
    case utf8String = 0x0C
    case sequence = 0x30
}
