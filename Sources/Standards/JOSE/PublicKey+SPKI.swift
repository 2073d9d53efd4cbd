import KeyEncoding

extension PublicKey {
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

    /// The SubjectPublicKeyInfo as PEM (RFC 7468 §13), ended by a newline.
    public var spkiPEM: String { PEM.encode(spki, label: "PUBLIC KEY") }
}
