extension PublicKey {
    /// Object identifiers as whole DER elements.
    private enum OID {
        /// id-ecPublicKey 1.2.840.10045.2.1 (RFC 5480 §2.1.1)
        static let ecPublicKey: [UInt8] = [0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]
        /// secp256r1 1.2.840.10045.3.1.7 (RFC 5480 §2.1.1.1)
        static let p256: [UInt8] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
        /// secp384r1 1.3.132.0.34
        static let p384: [UInt8] = [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22]
        /// rsaEncryption 1.2.840.113549.1.1.1 (RFC 3279 §2.3.1)
        static let rsaEncryption: [UInt8] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]
        /// id-Ed25519 1.3.101.112 (RFC 8410 §3)
        static let ed25519: [UInt8] = [0x06, 0x03, 0x2B, 0x65, 0x70]
        /// NULL, which RSA's parameters must be (RFC 3279 §2.3.1)
        static let null: [UInt8] = [0x05, 0x00]

        static func curve(_ curve: ECCurve) -> [UInt8] {
            switch curve {
            case .p256: p256
            case .p384: p384
            }
        }
    }

    private static let uncompressed: UInt8 = 0x04

    /// Reads a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in DER: P-256 or P-384 as an uncompressed point on the curve
    /// (RFC 5480), RSA of 2048 to 4096 bits (RFC 3279), Ed25519 (RFC 8410). Only the canonical encoding of a key is
    /// accepted.
    public init(spki: [UInt8]) throws(JOSEError) {
        var outer = DERReader(spki[...])
        guard var info = outer.reader(tag: .sequence), outer.isAtEnd else { throw .invalidSPKI("no single SEQUENCE") }
        guard let algorithm = info.content(tag: .sequence) else { throw .invalidSPKI("no algorithm") }
        guard let key = info.bitString(), info.isAtEnd else { throw .invalidSPKI("no key") }
        if let curve = ECCurve.allCases.first(where: { algorithm.elementsEqual(OID.ecPublicKey + OID.curve($0)) }) {
            let size = curve.coordinateSize
            guard key.count == 1 + 2 * size, key.first == PublicKey.uncompressed else {
                throw .invalidSPKI("the point is not in the uncompressed form of \(curve.rawValue)")
            }
            self = .ec(curve: curve, x: Array(key.dropFirst().prefix(size)), y: Array(key.suffix(size)))
        } else if algorithm.elementsEqual(OID.rsaEncryption + OID.null) {
            var outer = DERReader(key)
            guard var numbers = outer.reader(tag: .sequence), outer.isAtEnd, let modulus = numbers.positiveInteger(),
                let exponent = numbers.positiveInteger(), numbers.isAtEnd
            else { throw .invalidSPKI("no RSA modulus and exponent") }
            self = .rsa(modulus: Array(modulus), exponent: Array(exponent))
        } else if algorithm.elementsEqual(OID.ed25519) {
            self = .ed25519(Array(key))
        } else {
            throw .unsupportedKey("not P-256, P-384, RSA or Ed25519")
        }
        if let problem { throw problem }
    }

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

    /// The SubjectPublicKeyInfo as PEM (RFC 7468 §13), ended by a newline.
    public var spkiPEM: String { PEM.encode(spki, label: "PUBLIC KEY") }
}
