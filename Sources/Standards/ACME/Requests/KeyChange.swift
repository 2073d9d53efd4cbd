import JOSE
import StrictJSON

/// Hands an account over to another key (RFC 8555 §7.3.5): an inner JWS by the new key, wrapped in a request by the old one.
public enum KeyChange {
    /// What the new key signs: `jwk` is the new key, `url` the same as outside, no nonce.
    /// - Parameters:
    ///   - url: the directory's keyChange URL.
    ///   - account: the account's URL.
    public static func innerSigningInput(newKey: PublicKey, oldKey: PublicKey, account: ACMEURL, url: ACMEURL) -> JWSSigningInput {
        let header = JWSProtectedHeader(alg: newKey.jwsAlgorithm, nonce: nil, url: url.text, key: .jwk(newKey))
        return JWSSigningInput(header: header, payload: innerPayload(account: account, oldKey: oldKey))
    }

    /// `{"account":…,"oldKey":…}`.
    public static func innerPayload(account: ACMEURL, oldKey: PublicKey) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: 1024)
        writer.beginObject()
        writer.member("account", account.text)
        writer.member("oldKey", raw: oldKey.jwk)
        writer.endObject()
        return writer.bytes
    }

    /// What the old key signs: the inner JWS itself.
    public static func payload(inner: FlattenedJWS) -> [UInt8] { inner.json() }
}
