import JOSE

/// The `token` of http-01, dns-01 and tls-alpn-01 (RFC 8555 §8.3): base64url, so never a path out of a folder or a word for a shell.
public enum ChallengeToken {
    /// RFC 8555 asks for 128 bits, which are 22 letters; CAs send 43.
    public static let maximumLength = 512

    /// Letters only are checked: the value is never decoded.
    public static func isValid(_ token: String) -> Bool {
        (1...maximumLength).contains(token.utf8.count) && token.utf8.allSatisfy { Base64URL.isLetter($0) }
    }
}
