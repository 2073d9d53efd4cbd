/// One element of DER (X.690): definite lengths in their shortest form.
struct DER: Equatable {
    var tag: UInt8
    var content: [UInt8]
    /// The element with tag and length, as it was read.
    var whole: [UInt8]

    static let sequence: UInt8 = 0x30, set: UInt8 = 0x31, integer: UInt8 = 0x02, bitString: UInt8 = 0x03
    static let octetString: UInt8 = 0x04, null: UInt8 = 0x05, objectIdentifier: UInt8 = 0x06, boolean: UInt8 = 0x01

    /// - Returns: The elements that the bytes are, to the last byte; `nil` if they are not DER.
    static func elements(_ bytes: [UInt8]) -> [DER]? {
        var place = 0
        var elements: [DER] = []
        while place < bytes.count {
            let start = place
            guard bytes.count - place >= 2, bytes[place] & 0x1F != 0x1F else { return nil }
            let tag = bytes[place], first = bytes[place + 1]
            place += 2
            var length = Int(first)
            if first >= 0x80 {
                let size = Int(first & 0x7F)
                guard (1...3).contains(size), bytes.count - place >= size else { return nil }
                length = bytes[place..<place + size].reduce(0) { $0 << 8 | Int($1) }
                guard bytes[place] != 0, length >= 0x80 else { return nil }
                place += size
            }
            guard bytes.count - place >= length else { return nil }
            elements.append(DER(tag: tag, content: Array(bytes[place..<place + length]), whole: Array(bytes[start..<place + length])))
            place += length
        }
        return elements
    }

    /// - Returns: The one element that the bytes are.
    static func one(_ bytes: [UInt8], _ tag: UInt8) -> DER? {
        guard let elements = elements(bytes), elements.count == 1, elements[0].tag == tag else { return nil }
        return elements[0]
    }

    /// The elements within.
    var parts: [DER]? { tag & 0x20 != 0 ? DER.elements(content) : nil }

    static func write(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        let count = content.count
        if count < 0x80 { return [tag, UInt8(count)] + content }
        if count < 0x100 { return [tag, 0x81, UInt8(count)] + content }
        return [tag, 0x82, UInt8(count >> 8 & 0xFF), UInt8(count & 0xFF)] + content
    }

    /// An unsigned number, big-endian.
    static func unsigned(_ bytes: [UInt8]) -> [UInt8] {
        var digits = Array(bytes.drop { $0 == 0 })
        if digits.isEmpty || digits[0] >= 0x80 { digits.insert(0, at: 0) }
        return write(integer, digits)
    }

    /// Content octets of object identifiers.
    enum OID {
        static let ecPublicKey: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]
        static let p256: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
        static let p384: [UInt8] = [0x2B, 0x81, 0x04, 0x00, 0x22]
        static let rsaEncryption: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]
        static let ed25519: [UInt8] = [0x2B, 0x65, 0x70]
        static let ecdsaWithSHA256: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02]
        static let ecdsaWithSHA384: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03]
        static let sha256WithRSA: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B]
        static let data: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01]
        static let contentType: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x03]
        static let messageDigest: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x04]
        static let extensionRequest: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x0E]
        static let subjectAlternativeName: [UInt8] = [0x55, 0x1D, 0x11]
        static let tlsFeature: [UInt8] = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x18]
    }
}
