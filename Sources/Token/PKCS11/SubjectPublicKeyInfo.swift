import CPKCS11

/// Writes SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) from a token's public key attributes.
enum SubjectPublicKeyInfo {
    /// RFC 5480 §2.1.1 and §2.2, RFC 8410 §4: everything before the point is fixed by the curve.
    static func ec(_ type: KeyType, point attribute: [UInt8]) -> [UInt8]? {
        let prefix: [UInt8]
        let length: Int
        switch type {
        case .p256:
            prefix = [
                0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D,
                0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
            ]
            length = 65
        case .p384:
            prefix = [
                0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22,
                0x03, 0x62, 0x00,
            ]
            length = 97
        case .ed25519:
            prefix = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00]
            length = 32
        case .rsa:
            return nil
        }
        guard let point = Self.point(attribute, length: length) else { return nil }
        // SEC 1 §2.3.3: only the uncompressed form has this length.
        if type != .ed25519, point.first != 0x04 { return nil }
        return prefix + point
    }

    /// CKA_EC_POINT is the point itself, or wrapped in an OCTET STRING (the standard), or in a BIT STRING (OpenSC #478,
    /// #766). The exact length decides which: a raw point may begin with any tag's byte.
    static func point(_ attribute: [UInt8], length: Int) -> [UInt8]? {
        if attribute.count == length { return attribute }
        if attribute.count == length + 2, attribute[0] == 0x04, Int(attribute[1]) == length { return Array(attribute.dropFirst(2)) }
        if attribute.count == length + 3, attribute[0] == 0x03, Int(attribute[1]) == length + 1, attribute[2] == 0 {
            return Array(attribute.dropFirst(3))
        }
        return nil
    }

    /// RFC 3279 §2.3.1.
    static func rsa(modulus: [UInt8], exponent: [UInt8]) -> [UInt8]? {
        guard let n = integer(modulus), let e = integer(exponent) else { return nil }
        let algorithm: [UInt8] = [0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00]
        return element(0x30, algorithm + element(0x03, [0] + element(0x30, n + e)))
    }

    /// Bits of a big-endian number.
    static func bitCount(_ number: [UInt8]) -> Int {
        let digits = number.drop { $0 == 0 }
        guard let first = digits.first else { return 0 }
        return digits.count * 8 - first.leadingZeroBitCount
    }

    private static func integer(_ number: [UInt8]) -> [UInt8]? {
        let digits = number.drop { $0 == 0 }
        guard let first = digits.first else { return nil }
        return element(0x02, (first >= 0x80 ? [0] : []) + digits)
    }

    private static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        switch content.count {
        case ..<0x80: [tag, UInt8(content.count)] + content
        case ..<0x100: [tag, 0x81, UInt8(content.count)] + content
        default: [tag, 0x82, UInt8(truncatingIfNeeded: content.count >> 8), UInt8(truncatingIfNeeded: content.count)] + content
        }
    }
}
