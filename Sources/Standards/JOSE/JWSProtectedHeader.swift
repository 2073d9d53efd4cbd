import StrictJSON

/// The protected header of an ACME request (RFC 8555 §6.2): `alg`, `nonce`, `url` and either `jwk` or `kid`, nothing
/// else.
public struct JWSProtectedHeader: Hashable, Sendable {
    /// The key that signs. RFC 8555 §6.2 requires exactly one of the two; this type cannot express anything else.
    public enum Key: Hashable, Sendable {
        /// The key itself: newAccount, revocation by the certificate's key, and the inner JWS of a key change (RFC 8555
        /// §7.3.5).
        case jwk(PublicKey)
        /// The account's URL, or the CA's key identifier in an external account binding (RFC 8555 §7.3.4).
        case kid(String)
    }

    /// Follows from the signing key (RFC 8725 §3.1).
    public var alg: JWSAlgorithm
    /// Absent in inner JWSs only (RFC 8555 §7.3.4 and §7.3.5).
    public var nonce: String?
    /// The request's URL, byte by byte as it is sent (RFC 8555 §6.4).
    public var url: String
    /// The key that signs.
    public var key: Key

    /// Checks nothing; `ACMENonce` and `ACMEURL` check the values.
    public init(alg: JWSAlgorithm, nonce: String?, url: String, key: Key) {
        self.alg = alg
        self.nonce = nonce
        self.url = url
        self.key = key
    }

    /// The header as JSON, in the member order of RFC 8555's examples.
    public func json() -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: capacity)
        writer.beginObject()
        writer.member("alg", alg.rawValue)
        switch key {
        case .jwk(let key):
            writer.name("jwk")
            key.writeJWK(to: &writer)
        case .kid(let kid): writer.member("kid", kid)
        }
        writer.member("nonce", ifPresent: nonce)
        writer.member("url", url)
        writer.endObject()
        return writer.bytes
    }

    /// Rough upper bound of the JSON's size, so that it is written into one allocation.
    private var capacity: Int {
        let key =
            switch key {
            case .jwk(.rsa(let modulus, _)): modulus.count * 4 / 3 + 64
            case .jwk: 192
            case .kid(let kid): kid.utf8.count + 16
            }
        return key + (nonce?.utf8.count ?? 0) + url.utf8.count + 64
    }
}
