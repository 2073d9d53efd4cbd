import ACME

/// What an `ACMEClient` is doing.
public enum ACMEClientEvent: Sendable {
    /// The signer composed and signed a request for this URL.
    case signed(ACMERequest, url: ACMEURL, keyName: KeyName)
    /// An unsigned request is sent: for the directory or a nonce.
    case asking(url: ACMEURL)
    /// A response arrived, or none did (`status` 0).
    case exchanged(HTTPRequest.Method, url: ACMEURL, status: Int)
    /// The CA refused a nonce; the request is sent again with the next (RFC 8555 §6.5).
    case nonceRefused(attempt: Int, url: ACMEURL)
    /// The client waits before it repeats a request: the CA asked for it (429, 503), or could not be reached.
    case waiting(Duration, reason: String)
}
