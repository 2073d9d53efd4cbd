import Crypto
import StrictJSON

extension PublicKey {
    /// The key as a JWK (RFC 7517): the required members only, in lexicographic order, without white space (RFC 7638
    /// §3; for Ed25519 RFC 8037 §2). The bytes sent are therefore exactly those that the thumbprint is computed from.
    public var jwk: [UInt8] {
        var writer = JSONWriter(reservingCapacity: 1024)
        writeJWK(to: &writer)
        return writer.bytes
    }

    /// Writes the JWK as the next value.
    func writeJWK(to writer: inout JSONWriter) {
        writer.beginObject()
        switch self {
        case .ec(let curve, let x, let y):
            writer.member("crv", curve.rawValue)
            writer.member("kty", "EC")
            writer.name("x")
            writer.plainString(Base64URL.encodeBytes(x))
            writer.name("y")
            writer.plainString(Base64URL.encodeBytes(y))
        case .rsa(let modulus, let exponent):
            writer.name("e")
            writer.plainString(Base64URL.encodeBytes(exponent))
            writer.member("kty", "RSA")
            writer.name("n")
            writer.plainString(Base64URL.encodeBytes(modulus))
        case .ed25519(let key):
            writer.member("crv", "Ed25519")
            writer.member("kty", "OKP")
            writer.name("x")
            writer.plainString(Base64URL.encodeBytes(key))
        }
        writer.endObject()
    }

    /// The JWK's SHA-256 thumbprint in base64url (RFC 7638 §3, RFC 8555 §8.1).
    public var thumbprint: String { Base64URL.encode(Array(SHA256.hash(data: jwk))) }

    /// Reads a public JWK (RFC 7517 §4, RFC 7518 §6.2.1 and §6.3.1, RFC 8037 §2). Other members are ignored, as RFC
    /// 7517 §4 requires, but a key with its private half is refused: it was sent by mistake, and its sender must learn
    /// of it.
    public init(jwk: JSONObject) throws(JOSEError) {
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] where jwk.optional(name) != nil {
            throw .invalidJWK("it holds the private member \"\(name)\"")
        }
        switch try PublicKey.string("kty", of: jwk) {
        case "EC":
            guard let curve = ECCurve(rawValue: try PublicKey.string("crv", of: jwk)) else { throw .unsupportedKey("curve of the JWK") }
            self = .ec(curve: curve, x: try PublicKey.number("x", of: jwk), y: try PublicKey.number("y", of: jwk))
        case "RSA":
            self = .rsa(modulus: try PublicKey.number("n", of: jwk), exponent: try PublicKey.number("e", of: jwk))
        case "OKP":
            guard try PublicKey.string("crv", of: jwk) == "Ed25519" else { throw .unsupportedKey("curve of the JWK") }
            self = .ed25519(try PublicKey.number("x", of: jwk))
        default: throw .unsupportedKey("kty of the JWK is not EC, RSA or OKP")
        }
        if let problem { throw problem }
    }

    private static func string(_ name: String, of jwk: JSONObject) throws(JOSEError) -> String {
        do { return try jwk.string(name) } catch { throw .invalidJWK(error.description) }
    }

    private static func number(_ name: String, of jwk: JSONObject) throws(JOSEError) -> [UInt8] {
        guard let bytes = Base64URL.decode(try string(name, of: jwk)) else { throw .invalidJWK("\"\(name)\" is not base64url") }
        return bytes
    }
}
