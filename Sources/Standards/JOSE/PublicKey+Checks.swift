import Crypto
import KeyEncoding

extension PublicKey {
    /// SHA-256 of the SPKI; a key is pinned by it.
    public var fingerprint: [UInt8] { Array(SHA256.hash(data: spki)) }

    /// A smaller modulus could be factored; tokens, CAs and peers do not support larger ones.
    static let rsaBitsRange = 2048...4096

    /// An exponent of 64 bits; real ones have 17.
    static let maximumExponentSize = 8

    static let ed25519Size = 32

    /// Checks that apply to every key, whatever its source; returns what is wrong.
    var problem: JOSEError? {
        switch self {
        case .ec(let curve, let x, let y):
            guard x.count == curve.coordinateSize, y.count == curve.coordinateSize else {
                return .unsupportedKey("a coordinate of \(curve.rawValue) has \(curve.coordinateSize) bytes")
            }
            guard curve.contains(uncompressedPoint: [0x04] + x + y) else {
                return .unsupportedKey("the point is not on \(curve.rawValue)")
            }
        case .rsa(let modulus, let exponent):
            guard let top = modulus.first, top != 0, let topOfExponent = exponent.first, topOfExponent != 0 else {
                return .unsupportedKey("an RSA number is empty or has leading zeros")
            }
            guard PublicKey.rsaBitsRange.contains(PublicKey.bits(modulus)) else {
                let range = PublicKey.rsaBitsRange
                return .unsupportedKey("RSA of \(PublicKey.bits(modulus)) bits, not \(range.lowerBound) to \(range.upperBound)")
            }
            guard let last = modulus.last, last & 1 == 1 else { return .unsupportedKey("the RSA modulus is even") }
            guard exponent.count <= PublicKey.maximumExponentSize, let low = exponent.last, low & 1 == 1, exponent != [1] else {
                return .unsupportedKey("the RSA exponent is not an odd number from 3 to 2^64")
            }
        case .ed25519(let key):
            guard key.count == PublicKey.ed25519Size else { return .unsupportedKey("an Ed25519 key has 32 bytes") }
        }
        return nil
    }
}

extension ECCurve {
    /// Whether the uncompressed point (0x04, x, y) is on the curve.
    func contains(uncompressedPoint point: [UInt8]) -> Bool {
        switch self {
        case .p256: (try? P256.Signing.PublicKey(x963Representation: point)) != nil
        case .p384: (try? P384.Signing.PublicKey(x963Representation: point)) != nil
        }
    }
}
