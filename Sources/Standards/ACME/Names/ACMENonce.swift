import JOSE

/// The anti-replay nonce of `Replay-Nonce` (RFC 8555 §6.5.1): base64url, opaque beyond that.
public enum ACMENonce {
    /// Real nonces have 22 to 80 bytes. A larger one would only cost work wherever it is passed on.
    public static let maximumLength = 1024

    /// RFC 8555 §6.5.1: a client must ignore an invalid one. Only the alphabet is checked; the value is never decoded.
    public static func isValid(_ nonce: String) -> Bool {
        (1...maximumLength).contains(nonce.utf8.count) && nonce.utf8.allSatisfy { Base64URL.isLetter($0) }
    }
}
