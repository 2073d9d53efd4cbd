/// Base64url without padding (RFC 7515 section 2, RFC 4648 section 5).
enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// The value of each byte, or -1.
    private static let values: [Int] = (0...255).map { byte in alphabet.firstIndex(of: UInt8(byte)) ?? -1 }

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        var buffer = 0, bits = 0
        for byte in bytes {
            buffer = (buffer << 8 | Int(byte)) & 0xFFFF
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(alphabet[buffer >> bits & 63])
            }
        }
        if bits > 0 { text.append(alphabet[buffer << (6 - bits) & 63]) }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: `nil` for another character, an impossible length, or bits that are left over and not zero.
    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = 0, bits = 0
        for character in text.utf8 {
            let value = values[Int(character)]
            guard value >= 0 else { return nil }
            buffer = (buffer << 6 | value) & 0xFFFF
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(buffer >> bits & 0xFF))
            }
        }
        guard bits < 6, buffer & ((1 << bits) - 1) == 0 else { return nil }
        return bytes
    }

    /// The bytes between the lines of a PEM block (RFC 7468), whose alphabet differs in two characters.
    static func decodePEM(_ text: String) -> [UInt8]? {
        var body = ""
        for line in text.split(separator: "\n") where !line.hasPrefix("-----") {
            for character in line {
                switch character {
                case "+": body.append("-")
                case "/": body.append("_")
                case "=", "\r": continue
                default: body.append(character)
                }
            }
        }
        return decode(body)
    }
}
