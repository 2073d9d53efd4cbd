import JOSE

/// Signs requests of one ACME account. The front end sees only this: it does not know whether a key is in a token, in
/// an agent or in a test, and it cannot ask for bytes to be signed.
public protocol AccountSigner: Sendable {
    /// The agent's name for the account key.
    var keyName: KeyName { get }

    /// The account key's public half; its thumbprint is part of key authorizations (RFC 8555 §8.1).
    var publicKey: PublicKey { get }

    /// Composes and signs a request.
    /// - Parameters:
    ///   - url: where the request will be sent; also `url` in the header (RFC 8555 §6.4).
    ///   - nonce: from the last response (RFC 8555 §6.5).
    ///   - account: the account's URL for `kid`; `nil` for a header with `jwk`: newAccount, and revocation by the
    ///     certificate's key.
    /// - Throws: what the implementation throws, such as a `PolicyRefusal` or an error for an absent token.
    func sign(_ request: ACMERequest, url: ACMEURL, nonce: String, account: ACMEURL?) async throws -> FlattenedJWS
}

/// An error of the key holder that may mean that policy refuses the request. Asking again gives the same answer.
public protocol PolicyRefusal: Error {
    var isPolicyRefusal: Bool { get }
}
