/// Base64 with padding (RFC 4648 §4), as in PEM. All but two of its letters are those of base64url.
public enum Base64 {
    private static let padding = UInt8(ascii: "=")

    /// The text as ASCII, without line breaks.
    public static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var letters = Base64URL.encodeBytes(bytes)
        for index in letters.indices {
            switch letters[index] {
            case UInt8(ascii: "-"): letters[index] = UInt8(ascii: "+")
            case UInt8(ascii: "_"): letters[index] = UInt8(ascii: "/")
            default: break
            }
        }
        while letters.count % 4 != 0 { letters.append(padding) }
        return letters
    }

    /// The bytes of a text, or `nil` if it has anything but letters and the padding at its end, or bits set after the
    /// last byte: each byte string has exactly one text.
    public static func decode(_ text: [UInt8]) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        var letters = text
        for _ in 0..<2 where letters.last == padding { letters.removeLast() }
        for index in letters.indices {
            switch letters[index] {
            case UInt8(ascii: "+"): letters[index] = UInt8(ascii: "-")
            case UInt8(ascii: "/"): letters[index] = UInt8(ascii: "_")
            case UInt8(ascii: "-"), UInt8(ascii: "_"): return nil
            default: break
            }
        }
        return Base64URL.decode(bytes: letters)
    }
}
