import Crypto

/// The signed content of a TLS 1.2 ServerKeyExchange (RFC 8422 §5.4): the client's and the server's random, then
/// ServerECDHParams with a named curve and an uncompressed point. Other curves, explicit curves and finite fields
/// (DHE) have no form here.
enum ServerKeyExchange {
    /// NamedCurve (RFC 8422 §5.1.1).
    private enum Curve: UInt16 {
        case secp256r1 = 23
        case secp384r1 = 24
        case x25519 = 29

        /// Bytes of the point.
        var pointLength: Int {
            switch self {
            case .secp256r1: 65
            case .secp384r1: 97
            case .x25519: 32
            }
        }

        /// Whether the bytes are a public key: for X25519 any are (RFC 7748 §5); else an uncompressed point on the curve
        /// that is not at infinity.
        func has(_ point: ArraySlice<UInt8>) -> Bool {
            guard self != .x25519 else { return true }
            // Hybrid forms begin with 6 or 7, compressed ones with 2 or 3 (SEC 1 §2.3.3).
            guard point.first == 0x04 else { return false }
            let bytes = Array(point)
            return switch self {
            case .secp256r1: (try? P256.KeyAgreement.PublicKey(x963Representation: bytes)) != nil
            case .secp384r1: (try? P384.KeyAgreement.PublicKey(x963Representation: bytes)) != nil
            case .x25519: true
            }
        }
    }

    private static let randoms = 32 + 32
    /// Curve type, named curve, length of the point.
    private static let head = 4
    /// ECCurveType (RFC 8422 §5.4).
    private static let namedCurve: UInt8 = 3

    /// Whether the content is one, to its last byte.
    static func accepts(_ content: [UInt8]) -> Bool {
        guard content.count > randoms + head, content[randoms] == namedCurve,
            let curve = Curve(rawValue: UInt16(content[randoms + 1]) << 8 | UInt16(content[randoms + 2])),
            Int(content[randoms + 3]) == curve.pointLength, content.count == randoms + head + curve.pointLength
        else { return false }
        return !isCertificationRequestInfo(content) && curve.has(content[(randoms + head)...])
    }

    /// Whether the content begins as a CertificationRequestInfo of its own length does (RFC 2986 §4.1): a SEQUENCE, the
    /// version 0, and the SEQUENCE of the subject.
    ///
    /// A caller chooses the randoms. So it can make them begin a certificate request for the same key, with the key
    /// exchange's fixed bytes inside an attribute. An Ed25519 key is short enough for that, which is one reason why such
    /// keys do not sign here; with P-256, one key in 2³² has the right bytes at the right place. Honest randoms look
    /// like this once in 2⁴⁸ handshakes.
    private static func isCertificationRequestInfo(_ content: [UInt8]) -> Bool {
        guard let length = UInt8(exactly: content.count - 2) else { return false }
        let sequence: [UInt8] = length < 0x80 ? [0x30, length] : [0x30, 0x81, length - 1]
        return content.starts(with: sequence + [0x02, 0x01, 0x00, 0x30])
    }
}
