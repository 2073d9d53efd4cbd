import Crypto
import JOSE

/// A challenge's token with the account key's thumbprint (RFC 8555 §8.1).
public struct KeyAuthorization: Hashable, Sendable {
    /// The challenge's; see `ChallengeToken`.
    public let token: String
    /// The account key's.
    public let thumbprint: String

    /// - Parameter thumbprint: `PublicKey.thumbprint` of the account key.
    public init(token: String, thumbprint: String) {
        self.token = token
        self.thumbprint = thumbprint
    }

    /// Parses what `text` returns.
    public init?(text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let first = parts.first, let last = parts.last, let token = String(first), let thumbprint = String(last),
            ChallengeToken.isValid(token), ChallengeToken.isValid(thumbprint)
        else { return nil }
        self.init(token: token, thumbprint: thumbprint)
    }

    /// What http-01 serves (RFC 8555 §8.3).
    public var text: String { token + "." + thumbprint }

    /// SHA-256 of the text: what tls-alpn-01 puts in acmeIdentifier (RFC 8737 §3).
    public var digest: [UInt8] { Array(SHA256.hash(data: Array(text.utf8))) }

    /// What dns-01 puts in the TXT record (RFC 8555 §8.4).
    public var dns01Value: String { Base64URL.encode(digest) }
}
