extension PublicKey {
    /// Object identifiers as whole DER elements.
    package enum OID {
        /// id-ecPublicKey 1.2.840.10045.2.1 (RFC 5480 §2.1.1)
        package static let ecPublicKey: [UInt8] = [0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]
        /// secp256r1 1.2.840.10045.3.1.7 (RFC 5480 §2.1.1.1)
        package static let p256: [UInt8] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
        /// secp384r1 1.3.132.0.34
        package static let p384: [UInt8] = [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22]
        /// rsaEncryption 1.2.840.113549.1.1.1 (RFC 3279 §2.3.1)
        package static let rsaEncryption: [UInt8] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]
        /// id-Ed25519 1.3.101.112 (RFC 8410 §3)
        package static let ed25519: [UInt8] = [0x06, 0x03, 0x2B, 0x65, 0x70]
        /// NULL, which RSA's parameters must be (RFC 3279 §2.3.1)
        package static let null: [UInt8] = [0x05, 0x00]

        package static func curve(_ curve: ECCurve) -> [UInt8] {
            switch curve {
            case .p256: p256
            case .p384: p384
            }
        }
    }

    package static let uncompressed: UInt8 = 0x04

    /// The SubjectPublicKeyInfo in DER.
    public var spki: [UInt8] {
        let algorithm: [UInt8]
        let key: [UInt8]
        switch self {
        case .ec(let curve, let x, let y):
            algorithm = DERWriter.element(.sequence, OID.ecPublicKey, OID.curve(curve))
            key = DERWriter.element(.bitString, [0, PublicKey.uncompressed], x, y)
        case .rsa(let modulus, let exponent):
            algorithm = DERWriter.element(.sequence, OID.rsaEncryption, OID.null)
            let numbers = DERWriter.element(
                .sequence, DERWriter.unsignedInteger(modulus), DERWriter.unsignedInteger(exponent))
            key = DERWriter.element(.bitString, [0], numbers)
        case .ed25519(let bytes):
            algorithm = DERWriter.element(.sequence, OID.ed25519)
            key = DERWriter.element(.bitString, [0], bytes)
        }
        return DERWriter.element(.sequence, algorithm, key)
    }
}
