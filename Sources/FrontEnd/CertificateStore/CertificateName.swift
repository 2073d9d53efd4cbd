import ACME
import Crypto
import JOSE

/// The name under which a certificate is stored: always a single safe file name, never hidden, an option or a path.
///
/// | first identifier | name |
/// |---|---|
/// | `www.example.org` | `www.example.org` |
/// | `*.example.org` | `wildcard_.example.org` |
/// | `192.0.2.1` | `192.0.2.1` |
/// | `2001:db8::1` | `ipv6_.2001-db8--1` |
/// | longer than 128 bytes | its first 95 bytes, `_`, 32 hex digits of its SHA-256 |
public struct CertificateName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Leaves room for suffixes: a file name has at most 255 bytes.
    public static let maximumLength = 128

    public let rawValue: String

    /// Reads a name that a person gives: a–z, digits, `.`, `_` and `-`, not beginning with `.` or `-`, without `..`.
    /// - Throws: `StoreError` `.invalidName`.
    public init(_ text: String) throws(StoreError) {
        func refuse(_ why: String) -> StoreError {
            StoreError(.invalidName, message: "\"\(TerminalText.safe(text, limit: 80))\" is not a certificate's name: \(why)")
        }
        let bytes = Array(text.utf8)
        guard let first = bytes.first else { throw refuse("it is empty") }
        guard bytes.count <= CertificateName.maximumLength else { throw refuse("it is longer than \(CertificateName.maximumLength) bytes") }
        guard first != UInt8(ascii: "."), first != UInt8(ascii: "-") else { throw refuse("it begins with \".\" or \"-\"") }
        var before: UInt8 = 0
        for byte in bytes {
            guard CertificateName.isAllowed(byte) else { throw refuse("it may contain only a-z, 0-9, \".\", \"_\" and \"-\"") }
            guard byte != UInt8(ascii: ".") || before != byte else { throw refuse("it has two dots in a row") }
            before = byte
        }
        rawValue = text
    }

    /// The name for a certificate with this first identifier.
    public init(_ identifier: Identifier) {
        switch identifier {
        case .dns(let name): self.init(fitting: name.isWildcard ? CertificateName.wildcard + name.base : name.text)
        case .ip(let address):
            self.init(fitting: address.isIPv4 ? address.text : "ipv6_." + String(address.text.map { $0 == ":" ? "-" : $0 }))
        }
    }

    private static let wildcard = "wildcard_."

    /// The names under which a certificate with this first identifier may be stored: today's, then that of earlier
    /// versions, in which a wildcard's began with `_`.
    public static func spellings(for identifier: Identifier) -> [CertificateName] {
        guard case .dns(let name) = identifier, name.isWildcard else { return [CertificateName(identifier)] }
        return [CertificateName(identifier), CertificateName(fitting: "_" + wildcard + name.base)]
    }

    /// This name, then the other spelling of a wildcard certificate's name.
    public var spellings: [CertificateName] {
        let other: String
        if rawValue.utf8.starts(with: CertificateName.wildcard.utf8) {
            other = "_" + rawValue
        } else if rawValue.utf8.starts(with: ("_" + CertificateName.wildcard).utf8) {
            other = String(rawValue.dropFirst())
        } else {
            return [self]
        }
        return [self] + [try? CertificateName(other)].compactMap(\.self)
    }

    /// A long text is truncated.
    private init(fitting text: String) {
        guard text.utf8.count > CertificateName.maximumLength else {
            rawValue = text
            return
        }
        let digest = SHA256.hash(data: Array(text.utf8)).prefix(16)
        rawValue = String(decoding: text.utf8.prefix(95), as: UTF8.self) + "_" + Hexadecimal.encode(digest)
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }

    public var description: String { rawValue }

    public static func < (left: CertificateName, right: CertificateName) -> Bool {
        left.rawValue.utf8.lexicographicallyPrecedes(right.rawValue.utf8)
    }
}
