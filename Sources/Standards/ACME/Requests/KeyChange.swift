import JOSE
import StrictJSON

/// Changes an account's key (RFC 8555 §7.3.5): an inner JWS signed by the new key, in a request signed by the old one.
public enum KeyChange {
    /// What the new key signs: `jwk` is the new key, `url` is that of the outer JWS, and there is no nonce.
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
