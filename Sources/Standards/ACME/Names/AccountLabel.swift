import Crypto

/// A label that stands for an account in a record's name (draft-ietf-acme-dns-account-label-03 §3.2).
public struct AccountLabel: Hashable, Sendable, CustomStringConvertible {
    private static let letters = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

    /// "_" and the first ten bytes of the SHA-256 of the account's URL in base32 (RFC 4648 §6), which need no padding.
    public let description: String

    /// - Parameter account: its URL as the CA gave it.
    public init(_ account: ACMEURL) {
        var text: [UInt8] = [UInt8(ascii: "_")]
        var bits = 0
        var pending = 0
        for byte in SHA256.hash(data: Array(account.text.utf8)).prefix(10) {
            pending = (pending << 8 | Int(byte)) & 0xFFF
            bits += 8
            while bits >= 5 {
                bits -= 5
                text.append(Self.letters[pending >> bits & 31])
            }
        }
        description = String(decoding: text, as: UTF8.self)
    }
}
