import JOSE

/// The `token` of http-01, dns-01 and tls-alpn-01 (RFC 8555 §8.3): base64url, so it can be neither a path out of a
/// folder nor shell syntax.
public enum ChallengeToken {
    /// RFC 8555 asks for 128 bits, which take 22 characters; CAs send 43.
    public static let maximumLength = 512

    /// Only the alphabet is checked; the value is never decoded.
    public static func isValid(_ token: String) -> Bool {
        (1...maximumLength).contains(token.utf8.count) && token.utf8.allSatisfy { Base64URL.isLetter($0) }
    }
}
