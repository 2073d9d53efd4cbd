/// Base64url without padding (RFC 4648 §5, RFC 7515 §2), the only form that JOSE and ACME use (RFC 8555 §6.1).
public enum Base64URL {
    private static let alphabet: [UInt8] = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// Marks a byte that is not in the alphabet.
    private static let invalid: UInt8 = 0xFF

    private static let values: [UInt8] = {
        var table = [UInt8](repeating: invalid, count: 256)
        for (value, letter) in alphabet.enumerated() { table[Int(letter)] = UInt8(value) }
        return table
    }()

    /// Number of letters that encode `count` bytes.
    public static func encodedCount(_ count: Int) -> Int { count / 3 * 4 + [0, 2, 3][count % 3] }

    /// Whether the byte is one of the 64 letters; the padding character is not.
    @inlinable public static func isLetter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// The text as a `String`.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        String(decoding: encodeBytes(bytes), as: UTF8.self)
    }

    /// The text as ASCII bytes.
    public static func encodeBytes(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        append(bytes, to: &result)
        return result
    }

    /// Appends the text to `output`; allocates nothing if `output` has the capacity.
    public static func append(_ bytes: some Collection<UInt8>, to output: inout [UInt8]) {
        let done: Void? = bytes.withContiguousStorageIfAvailable { append($0, to: &output) }
        if done == nil { Array(bytes).withUnsafeBufferPointer { append($0, to: &output) } }
    }

    private static func append(_ input: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) {
        let start = output.count
        output.append(contentsOf: repeatElement(0, count: encodedCount(input.count)))
        alphabet.withUnsafeBufferPointer { letters in
            output.withUnsafeMutableBufferPointer { output in
                var at = start
                var index = 0
                while index + 2 < input.count {
                    let group = UInt32(input[index]) << 16 | UInt32(input[index + 1]) << 8 | UInt32(input[index + 2])
                    output[at] = letters[Int(group >> 18)]
                    output[at + 1] = letters[Int(group >> 12 & 63)]
                    output[at + 2] = letters[Int(group >> 6 & 63)]
                    output[at + 3] = letters[Int(group & 63)]
                    index += 3
                    at += 4
                }
                switch input.count - index {
                case 1:
                    output[at] = letters[Int(input[index] >> 2)]
                    output[at + 1] = letters[Int(input[index] & 3) << 4]
                case 2:
                    let group = UInt32(input[index]) << 8 | UInt32(input[index + 1])
                    output[at] = letters[Int(group >> 10)]
                    output[at + 1] = letters[Int(group >> 4 & 63)]
                    output[at + 2] = letters[Int(group & 15) << 2]
                default: break
                }
            }
        }
    }

    /// The bytes of a text, or `nil` if it has padding, white space or any other character, an impossible length, or
    /// bits set after the last byte: each byte string has exactly one text (RFC 4648 §3.5).
    public static func decode(_ text: String) -> [UInt8]? {
        var text = text
        return text.withUTF8 { decode($0) }
    }

    /// Like `decode(_:)`, from ASCII bytes.
    public static func decode(bytes text: some Collection<UInt8>) -> [UInt8]? {
        // Use contiguous memory where available: other modules call this, and there a generic loop goes through witness
        // tables.
        text.withContiguousStorageIfAvailable { decode($0) } ?? Array(text).withUnsafeBufferPointer { decode($0) }
    }

    private static func decode(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        let count = text.count
        guard count % 4 != 1 else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(count / 4 * 3 + 2)
        var group: UInt32 = 0
        var bits: UInt32 = 0
        for letter in text {
            let value = values[Int(letter)]
            guard value != invalid else { return nil }
            group = group << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                result.append(UInt8(truncatingIfNeeded: group >> bits))
                group &= (1 << bits) - 1
            }
        }
        return group == 0 ? result : nil
    }
}
