import CPKCS11

/// The attributes of a public key object.
struct PublicKeyAttributes {
    let id: [UInt8]
    let label: [UInt8]
    let type: KeyType
    let spki: [UInt8]
}

/// Reads public key objects, with one call per object.
struct PublicKeyReader: ~Copyable {
    private var reader = AttributeReader([
        (CKA_ID, 256), (CKA_LABEL, 512), (CKA_KEY_TYPE, 8), (CKA_EC_PARAMS, 64), (CKA_EC_POINT, 256), (CKA_MODULUS, 1040),
        (CKA_PUBLIC_EXPONENT, 32),
    ])

    /// Throws `publicKeyUnreadable` for an unsupported kind of key.
    mutating func read(_ object: CK_OBJECT_HANDLE, session: borrowing Session) throws(PKCS11Error) -> PublicKeyAttributes {
        try reader.read(object, session: session)
        let (type, spki) = try Self.publicKey(
            keyType: reader.number(2), parameters: reader.bytes(3), point: reader.bytes(4), modulus: reader.bytes(5),
            exponent: reader.bytes(6))
        return PublicKeyAttributes(id: reader.bytes(0) ?? [], label: reader.bytes(1) ?? [], type: type, spki: spki)
    }

    static func publicKey(
        keyType: CK_KEY_TYPE?, parameters: [UInt8]?, point: [UInt8]?, modulus: [UInt8]?, exponent: [UInt8]?
    ) throws(PKCS11Error) -> (KeyType, [UInt8]) {
        switch keyType {
        case CKK_EC, CKK_EC_EDWARDS:
            guard let parameters, let type = KeyType(parameters: parameters) else {
                throw .publicKeyUnreadable(reason: "its curve is not supported")
            }
            guard let point, let spki = SubjectPublicKeyInfo.ec(type, point: point) else {
                throw .publicKeyUnreadable(reason: "its CKA_EC_POINT has an unknown form")
            }
            return (type, spki)
        case CKK_RSA:
            guard let modulus, let exponent, let spki = SubjectPublicKeyInfo.rsa(modulus: modulus, exponent: exponent) else {
                throw .publicKeyUnreadable(reason: "it has no modulus or no public exponent")
            }
            return (.rsa(bits: SubjectPublicKeyInfo.bitCount(modulus)), spki)
        default:
            throw .publicKeyUnreadable(reason: "its CKA_KEY_TYPE is not supported")
        }
    }
}
