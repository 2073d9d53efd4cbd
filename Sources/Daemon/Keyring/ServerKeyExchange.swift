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
        // A caller chooses the randoms, and so can begin something else that the key's signature would be for, with the key
        // exchange's fixed bytes in a place where that may have any.
        return !isCertificationRequestInfo(content) && !isSignedAttributes(content) && !content.starts(with: sshSignature)
            && curve.has(content[(randoms + head)...])
    }

    /// Whether the content begins as a CertificationRequestInfo of its own length does (RFC 2986 §4.1): a SEQUENCE, the
    /// version 0, and the SEQUENCE of the subject.
    ///
    /// It can be a request for the same key, with the fixed bytes inside an attribute. An Ed25519 key is short enough for
    /// that, which is one reason why such keys do not sign here; with P-256, one key in 2³² has the right bytes at the
    /// right place. Honest randoms look like this once in 2⁴⁸ handshakes.
    private static func isCertificationRequestInfo(_ content: [UInt8]) -> Bool {
        guard let length = UInt8(exactly: content.count - 2) else { return false }
        let sequence: [UInt8] = length < 0x80 ? [0x30, length] : [0x30, 0x81, length - 1]
        return content.starts(with: sequence + [0x02, 0x01, 0x00, 0x30])
    }

    /// How the signed blob of an SSH signature begins (OpenSSH's PROTOCOL.sshsig). With a namespace of eight bytes it has
    /// the length of X25519's content, and the fixed bytes in the hash of one message in 2³².
    private static let sshSignature = Array("SSHSIG".utf8)

    /// Whether the content is, by its lengths, the signed attributes of CMS (RFC 5652 §5.4): a SET of SEQUENCEs that begin
    /// with an OBJECT IDENTIFIER.
    ///
    /// The fixed bytes can be in an attribute that nobody knows, beside the digest of any message. Honest randoms look
    /// like this less than once in 2³² handshakes.
    private static func isSignedAttributes(_ content: [UInt8]) -> Bool {
        guard let length = UInt8(exactly: content.count - 2) else { return false }
        let set: [UInt8] = length < 0x80 ? [0x31, length] : [0x31, 0x81, length - 1]
        guard content.starts(with: set) else { return false }
        var rest = content.dropFirst(set.count)
        while let tag = rest.popFirst() {
            guard tag == 0x30, var size = rest.popFirst() else { return false }
            if size == 0x81 {
                guard let long = rest.popFirst() else { return false }
                size = long
            }
            guard rest.first == 0x06, rest.count >= Int(size) else { return false }
            rest = rest.dropFirst(Int(size))
        }
        return true
    }
}
