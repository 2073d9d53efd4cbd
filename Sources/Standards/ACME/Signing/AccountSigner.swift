import JOSE

/// Signs requests of one ACME account. The front end sees only this: whether a key is in a token, behind an agent or in a test is not
/// its matter, and it cannot ask for bytes to be signed.
public protocol AccountSigner: Sendable {
    /// The agent's name of the account key.
    var keyName: KeyName { get }

    /// The account key's public half; its thumbprint is part of key authorizations (RFC 8555 §8.1).
    var publicKey: PublicKey { get }

    /// Composes and signs a request.
    /// - Parameters:
    ///   - url: where it will be sent, and what `url` in the header says (RFC 8555 §6.4).
    ///   - nonce: from the last response (RFC 8555 §6.5).
    ///   - account: the account's URL for `kid`; `nil` where `jwk` is asked for: newAccount, and revocation by the certificate's key.
    /// - Throws: what the implementation has to say: a `PolicyRefusal`, a token that is not there.
    func sign(_ request: ACMERequest, url: ACMEURL, nonce: String, account: ACMEURL?) async throws -> FlattenedJWS
}

/// An error of whoever keeps the keys that may say: this is not allowed. Asked again, it says the same.
public protocol PolicyRefusal: Error {
    var isPolicyRefusal: Bool { get }
}
