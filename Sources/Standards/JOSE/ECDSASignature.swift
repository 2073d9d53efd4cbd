import KeyEncoding

/// The two forms of an ECDSA signature: `r` and `s` concatenated at fixed size, as in PKCS#11 and JOSE (RFC 7518 §3.4),
/// and the DER sequence of certificates, CSRs and TLS (RFC 3279 §2.2.3).
public enum ECDSASignature {
    /// Twice the bytes of a P-521 coordinate, the largest in use.
    static let maximumRawSize = 132

    /// DER of a raw signature; `nil` if its size is odd, or `r` or `s` is zero.
    public static func der(raw: [UInt8]) -> [UInt8]? {
        guard raw.count % 2 == 0, (2...maximumRawSize).contains(raw.count) else { return nil }
        let r = raw.prefix(raw.count / 2)
        let s = raw.suffix(raw.count / 2)
        guard r.contains(where: { $0 != 0 }), s.contains(where: { $0 != 0 }) else { return nil }
        return DERWriter.element(.sequence, DERWriter.unsignedInteger(r), DERWriter.unsignedInteger(s))
    }

    /// Raw form of a DER signature; `nil` if that is not strict DER or a number is too large.
    /// - Parameter size: bytes of one number, the curve's `coordinateSize`; the result has twice as many.
    public static func raw(der: [UInt8], size: Int) -> [UInt8]? {
        guard (1...maximumRawSize / 2).contains(size) else { return nil }
        var outer = DERReader(der[...])
        guard var numbers = outer.reader(tag: .sequence), outer.isAtEnd, let r = numbers.positiveInteger(),
            let s = numbers.positiveInteger(), numbers.isAtEnd, r.count <= size, s.count <= size
        else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(2 * size)
        for number in [r, s] {
            result.append(contentsOf: repeatElement(0, count: size - number.count))
            result.append(contentsOf: number)
        }
        return result
    }
}
