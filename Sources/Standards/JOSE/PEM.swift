/// The textual encoding of RFC 7468, in the strict form of §3.
public enum PEM {
    /// Characters in a line (RFC 7468 §2).
    static let columns = 64

    private static let alphabet: [UInt8] = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// One block with lines of 64 characters, ended by a newline.
    /// - Parameter label: such as `PUBLIC KEY`, without the word BEGIN.
    public static func encode(_ der: [UInt8], label: String) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(der.count / 3 * 4 + der.count / 48 + 2 * label.utf8.count + 40)
        text.append(contentsOf: "-----BEGIN \(label)-----\n".utf8)
        var column = 0
        var index = 0
        while index < der.count {
            let rest = der.count - index
            let second = rest > 1 ? der[index + 1] : 0
            let third = rest > 2 ? der[index + 2] : 0
            let group = UInt32(der[index]) << 16 | UInt32(second) << 8 | UInt32(third)
            text.append(alphabet[Int(group >> 18)])
            text.append(alphabet[Int(group >> 12 & 63)])
            text.append(rest > 1 ? alphabet[Int(group >> 6 & 63)] : UInt8(ascii: "="))
            text.append(rest > 2 ? alphabet[Int(group & 63)] : UInt8(ascii: "="))
            index += 3
            column += 4
            if column == columns {
                text.append(UInt8(ascii: "\n"))
                column = 0
            }
        }
        if column > 0 { text.append(UInt8(ascii: "\n")) }
        text.append(contentsOf: "-----END \(label)-----\n".utf8)
        return String(decoding: text, as: UTF8.self)
    }
}
