import StrictJSON

/// The protected header of an ACME request (RFC 8555 §6.2): `alg`, `nonce`, `url` and either `jwk` or `kid`, nothing else.
public struct JWSProtectedHeader: Hashable, Sendable {
    /// Who signs: RFC 8555 §6.2 lets a header have one of the two, never both, which this type cannot say otherwise.
    public enum Key: Hashable, Sendable {
        /// The key itself: newAccount, revocation by the certificate's key, and the inner JWS of a key change (RFC 8555 §7.3.5).
        case jwk(PublicKey)
        /// The account's URL, or the CA's key identifier in an external account binding (RFC 8555 §7.3.4).
        case kid(String)
    }

    /// From the key that signs (RFC 8725 §3.1).
    public var alg: JWSAlgorithm
    /// Absent in inner JWSs only (RFC 8555 §7.3.4 and §7.3.5).
    public var nonce: String?
    /// Where the request goes, byte by byte as it is sent (RFC 8555 §6.4).
    public var url: String
    /// Who signs.
    public var key: Key

    /// Takes what it is given; what a member may hold is for its types to say (`ACMENonce`, `ACMEURL`).
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

    /// What the JSON will take, roughly from above, so that it is written into one allocation.
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
