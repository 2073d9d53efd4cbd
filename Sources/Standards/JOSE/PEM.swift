/// The textual encoding of RFC 7468, in the strict form of §3.
public enum PEM {
    /// Characters in a line (RFC 7468 §2).
    static let columns = 64

    /// One block with lines of 64 characters, ended by a newline.
    /// - Parameter label: such as `PUBLIC KEY`, without the word BEGIN.
    public static func encode(_ der: [UInt8], label: String) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(der.count / 3 * 4 + der.count / 48 + 2 * label.utf8.count + 40)
        text.append(contentsOf: "-----BEGIN \(label)-----\n".utf8)
        let letters = Base64.encode(der)
        for start in stride(from: 0, to: letters.count, by: columns) {
            text.append(contentsOf: letters[start..<min(start + columns, letters.count)])
            text.append(UInt8(ascii: "\n"))
        }
        text.append(contentsOf: "-----END \(label)-----\n".utf8)
        return String(decoding: text, as: UTF8.self)
    }
}
