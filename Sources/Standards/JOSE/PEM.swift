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

    /// The blocks of a text that have this label, in its order; `nil` for one that is not base64. A block without an end
    /// is none. Blanks at the end of a line do not count.
    static func blocks(_ text: [UInt8], label: String) -> [[UInt8]?] {
        let begin = Array("-----BEGIN \(label)-----".utf8), end = Array("-----END \(label)-----".utf8)
        var result: [[UInt8]?] = []
        var letters: [UInt8]?
        for var line in text.split(separator: UInt8(ascii: "\n")) {
            while let last = line.last, last == 0x0D || last == 0x20 || last == 0x09 { line.removeLast() }
            if line.elementsEqual(begin) {
                letters = []
            } else if line.elementsEqual(end), let body = letters {
                result.append(Base64.decode(body))
                letters = nil
            } else {
                letters?.append(contentsOf: line)
            }
        }
        return result
    }
}
