import KeyEncoding

/// Makes SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) from a token's public key attributes.
enum SubjectPublicKeyInfo {
    private static let uncompressed: UInt8 = 0x04

    static func ec(_ type: KeyType, point attribute: [UInt8]) -> [UInt8]? {
        switch type {
        case .p256: ec(.p256, attribute)
        case .p384: ec(.p384, attribute)
        case .ed25519: point(attribute, length: 32).map { PublicKey.ed25519($0).spki }
        case .rsa: nil
        }
    }

    private static func ec(_ curve: ECCurve, _ attribute: [UInt8]) -> [UInt8]? {
        let size = curve.coordinateSize
        // SEC 1 §2.3.3: only the uncompressed form has this length.
        guard let point = point(attribute, length: 1 + 2 * size), point.first == uncompressed else { return nil }
        return PublicKey.ec(curve: curve, x: Array(point.dropFirst().prefix(size)), y: Array(point.suffix(size))).spki
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

    /// `nil` where a number is zero.
    static func rsa(modulus: [UInt8], exponent: [UInt8]) -> [UInt8]? {
        let n = Array(modulus.drop { $0 == 0 }), e = Array(exponent.drop { $0 == 0 })
        return n.isEmpty || e.isEmpty ? nil : PublicKey.rsa(modulus: n, exponent: e).spki
    }

    /// Bits of a big-endian number.
    static func bitCount(_ number: [UInt8]) -> Int {
        let digits = number.drop { $0 == 0 }
        guard let first = digits.first else { return 0 }
        return digits.count * 8 - first.leadingZeroBitCount
    }
}
