import CPKCS11

/// The attributes of a private key object.
struct PrivateKeyAttributes {
    let handle: CK_OBJECT_HANDLE
    let id: [UInt8]
    let label: [UInt8]
    let alwaysAuthenticate: Bool
    let protection: KeyProtection
    /// RSA private keys usually reveal their modulus. Nil if the object does not.
    let ownPublicKey: (type: KeyType, spki: [UInt8])?

    /// The public half: of several objects with the same id, the one with the same label. If several remain, they must
    /// be equal.
    func counterpart(among candidates: [PublicKeyAttributes]) throws(PKCS11Error) -> PublicKeyAttributes {
        if let own = ownPublicKey { return PublicKeyAttributes(id: id, label: label, type: own.type, spki: own.spki) }
        let sameLabel = candidates.filter { $0.label == label }
        let remaining = sameLabel.isEmpty ? candidates : sameLabel
        guard let first = remaining.first else {
            throw .publicKeyUnreadable(
                reason: id.isEmpty
                    ? Session.withoutID : "the token has no public key object of a known kind with the CKA_ID of the private key")
        }
        guard remaining.allSatisfy({ $0.spki == first.spki }) else { throw .severalKeys(count: remaining.count) }
        return first
    }

    func object(publicKey: PublicKeyAttributes) -> KeyObject {
        KeyObject(
            handle: handle, id: id, label: label, type: publicKey.type, spki: publicKey.spki, alwaysAuthenticate: alwaysAuthenticate,
            protection: protection)
    }
}

/// Reads private key objects, with one call per object.
struct PrivateKeyReader: ~Copyable {
    private var reader = AttributeReader([
        (CKA_ID, 256), (CKA_LABEL, 512), (CKA_KEY_TYPE, 8), (CKA_ALWAYS_AUTHENTICATE, 1), (CKA_SENSITIVE, 1), (CKA_EXTRACTABLE, 1),
        (CKA_MODULUS, 1040), (CKA_PUBLIC_EXPONENT, 32), (CKA_ALWAYS_SENSITIVE, 1), (CKA_NEVER_EXTRACTABLE, 1), (CKA_DECRYPT, 1),
        (CKA_UNWRAP, 1), (CKA_DERIVE, 1), (CKA_SIGN_RECOVER, 1),
    ])

    mutating func read(_ object: CK_OBJECT_HANDLE, session: borrowing Session) throws(PKCS11Error) -> PrivateKeyAttributes {
        try reader.read(object, session: session)
        return PrivateKeyAttributes(
            handle: object, id: reader.bytes(0) ?? [], label: reader.bytes(1) ?? [], alwaysAuthenticate: reader.bool(3) ?? false,
            protection: KeyProtection(
                isSensitive: reader.bool(4) ?? false, wasAlwaysSensitive: reader.bool(8) ?? false, isExtractable: reader.bool(5) ?? true,
                wasNeverExtractable: reader.bool(9) ?? false, decrypts: reader.bool(10) ?? false, unwraps: reader.bool(11) ?? false,
                derives: reader.bool(12) ?? false, signsWithRecovery: reader.bool(13) ?? false),
            ownPublicKey: try? PublicKeyReader.publicKey(
                keyType: reader.number(2), parameters: nil, point: nil, modulus: reader.bytes(6), exponent: reader.bytes(7)))
    }
}
