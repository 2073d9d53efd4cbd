import JOSE

/// Binds a new account to an account that the user has with the CA outside ACME (RFC 8555 §7.3.4).
public enum ExternalAccountBinding {
    /// The inner JWS: HS256 with the CA's secret over the account's public key; `kid` is the CA's key identifier, no
    /// nonce.
    /// - Parameters:
    ///   - keyID: as the CA gave it.
    ///   - accountKey: the key of the account to be made.
    ///   - url: the directory's newAccount URL.
    public static func jws(keyID: String, hmacKey: HMACKey, accountKey: PublicKey, url: ACMEURL) -> FlattenedJWS {
        let header = JWSProtectedHeader(alg: .HS256, nonce: nil, url: url.text, key: .kid(keyID))
        let input = JWSSigningInput(header: header, payload: accountKey.jwk)
        return input.flattened(signature: HS256.sign(input.bytes, key: hmacKey))
    }
}
