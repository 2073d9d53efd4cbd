import ACME

/// What an `ACMEClient` does, as it does it.
public enum ACMEClientEvent: Sendable {
    /// The signer composed and signed a request for this URL.
    case signed(ACMERequest, url: ACMEURL, keyName: KeyName)
    /// A request without a signature goes out: for the directory or a nonce.
    case asking(url: ACMEURL)
    /// A response came, or none (`status` 0).
    case exchanged(HTTPRequest.Method, url: ACMEURL, status: Int)
    /// The CA refused a nonce; the request goes out again with the next (RFC 8555 §6.5).
    case nonceRefused(attempt: Int, url: ACMEURL)
    /// The CA asked to wait before this request (429, 503), or could not be reached.
    case waiting(Duration, reason: String)
}
