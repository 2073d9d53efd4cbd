/// Checks the bytes of a PIN file in place, without a copy.
enum PINText {
    /// The first thing in `bytes` that cannot be in a PIN, and its line; nil if there is none. The line feed at the end
    /// of the file is not part of `bytes`.
    static func flaw(in bytes: UnsafeRawBufferPointer) -> (line: Int, flaw: PIN.Flaw)? {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return (1, .byteOrderMark) }
        if bytes.first == 0x20 || bytes.first == 0x09 { return (1, .blankAtStart) }
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case 0x0A: return (2, .secondLine)
            case 0x0D: return (1, .carriageReturn)
            case 0x20, 0x09:
                // Blanks inside a PIN are allowed; tabs are not.
                let rest = bytes[index...].drop { $0 == 0x20 || $0 == 0x09 }
                if rest.isEmpty { return (1, .blankAtEnd) }
                if bytes[index] == 0x09 { return (1, .controlCharacter) }
                index += 1
            case 0..<0x20, 0x7F: return (1, .controlCharacter)
            case 0x21..<0x7F: index += 1
            default:
                let length = UnsafeRawBufferPointer(rebasing: bytes[index...]).lengthOfUTF8Character
                guard length > 0 else { return (1, .notUTF8) }
                index += length
            }
        }
        return nil
    }
}

extension UnsafeRawBufferPointer {
    /// Length in bytes of the non-ASCII character that these bytes begin with; 0 if they begin with none (RFC 3629 §4).
    fileprivate var lengthOfUTF8Character: Int {
        guard let first else { return 0 }
        let length: Int
        let second: ClosedRange<UInt8>
        switch first {
        case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xE1...0xEC, 0xEE...0xEF: (length, second) = (3, 0x80...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return 0
        }
        guard count >= length, second.contains(self[1]), self[2..<length].allSatisfy({ (0x80...0xBF).contains($0) }) else { return 0 }
        return length
    }
}
