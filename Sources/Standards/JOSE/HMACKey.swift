import Crypto
import Glibc

/// A secret for HS256. Its bytes are wiped when the last copy is released, and are never printed.
public struct HMACKey: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// RFC 7518 §3.2: the key must be at least as long as the hash.
    public static let minimumSize = 32

    /// A longer secret means a wrong file.
    public static let maximumSize = 1024

    let secret: SymmetricKey

    /// Copies the secret; the caller wipes its own.
    public init(copying bytes: UnsafeRawBufferPointer) throws(JOSEError) {
        guard (HMACKey.minimumSize...HMACKey.maximumSize).contains(bytes.count) else {
            throw .invalidHMACKey("it has \(bytes.count) bytes, not \(HMACKey.minimumSize) to \(HMACKey.maximumSize)")
        }
        secret = SymmetricKey(data: bytes)
    }

    /// Reads the secret as CAs give it, in base64url (RFC 8555 §7.3.4). Padding is accepted, since some CAs write it;
    /// nothing else is. The decoded bytes are wiped; the caller wipes the text.
    public init(base64URL text: UnsafeRawBufferPointer) throws(JOSEError) {
        // As raw memory, so that decoding leaves no copy unwiped.
        let text = text.bindMemory(to: UInt8.self)
        let letters = UnsafeBufferPointer(rebasing: text.prefix { $0 != UInt8(ascii: "=") })
        let padding = text.count - letters.count
        guard padding == 0 || (padding == (4 - letters.count % 4) % 4 && text.suffix(padding).allSatisfy { $0 == UInt8(ascii: "=") }),
            letters.count <= Base64URL.encodedCount(HMACKey.maximumSize), var bytes = Base64URL.decode(bytes: letters)
        else { throw .invalidHMACKey("it is not base64url") }
        defer { bytes.withUnsafeMutableBytes { if let base = $0.baseAddress { explicit_bzero(base, $0.count) } } }
        let count = bytes.count
        guard (HMACKey.minimumSize...HMACKey.maximumSize).contains(count) else {
            throw .invalidHMACKey("it has \(count) bytes, not \(HMACKey.minimumSize) to \(HMACKey.maximumSize)")
        }
        secret = SymmetricKey(data: bytes)
    }

    public var description: String { "HMACKey(redacted)" }
    public var debugDescription: String { description }
    /// Nothing, so that `dump` finds nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
