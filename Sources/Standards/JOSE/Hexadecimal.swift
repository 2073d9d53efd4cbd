/// Lower-case hexadecimal.
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

    private static func digit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }

    /// `nil` if the text is not hexadecimal or has an odd length.
    public static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text.utf8 {
            let nibble: UInt8
            switch character {
            case 0x30...0x39: nibble = character - 0x30
            case 0x61...0x66: nibble = character - 0x57
            case 0x41...0x46: nibble = character - 0x37
            default: return nil
            }
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
