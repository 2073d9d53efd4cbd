/// Hexadecimal (RFC 4648 §8): written in lower case, read in either.
public enum Hexadecimal {
    /// Two digits per byte, without separators.
    public static func encode(_ bytes: some Sequence<UInt8>) -> String {
        // Use contiguous memory: a generic loop over another module's iterator, such as a digest's, allocates for each
        // byte.
        Array(bytes).withUnsafeBytes { encode($0) }
    }

    /// Like `encode(_:)`, in one allocation, after a prefix.
    public static func encode(_ bytes: UnsafeRawBufferPointer, after prefix: StaticString = "") -> String {
        let start = prefix.utf8CodeUnitCount
        return String(unsafeUninitializedCapacity: start + bytes.count * 2) { text in
            _ = text.update(fromContentsOf: UnsafeBufferPointer(start: prefix.utf8Start, count: start))
            for (index, byte) in bytes.enumerated() {
                text[start + index * 2] = digit(byte >> 4)
                text[start + index * 2 + 1] = digit(byte & 15)
            }
            return start + bytes.count * 2
        }
    }

    /// The digit of four bits, in ASCII.
    @inlinable public static func digit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }

    /// The four bits of a digit in ASCII; `nil` if it is not one.
    @inlinable public static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// `nil` if the text is not hexadecimal or has an odd length.
    public static func decode(_ text: String) -> [UInt8]? { decode(bytes: text.utf8) }

    /// As `decode(_:)`, from ASCII.
    public static func decode(bytes text: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in text {
            guard let nibble = value(of: digit) else { return nil }
            if let first = high {
                bytes.append(first << 4 | nibble)
                high = nil
            } else {
                high = nibble
            }
        }
        return high == nil ? bytes : nil
    }
}
