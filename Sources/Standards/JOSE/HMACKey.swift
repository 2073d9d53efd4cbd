import Crypto
import Glibc

/// A secret for HS256. Its bytes are wiped when the last copy goes, and it never prints them.
public struct HMACKey: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// RFC 7518 §3.2: a key of the hash's size or larger must be used.
    public static let minimumSize = 32

    /// Longer ones than this are a wrong file.
    public static let maximumSize = 1024

    let secret: SymmetricKey

    /// Copies the secret; the caller wipes its own.
    public init(copying bytes: UnsafeRawBufferPointer) throws(JOSEError) {
        guard (HMACKey.minimumSize...HMACKey.maximumSize).contains(bytes.count) else {
            throw .invalidHMACKey("it has \(bytes.count) bytes, not \(HMACKey.minimumSize) to \(HMACKey.maximumSize)")
        }
        secret = SymmetricKey(data: bytes)
    }

    /// Reads the base64url text in which CAs hand the secret out (RFC 8555 §7.3.4); padding is let pass, since some CAs write it, and
    /// nothing else is. The decoded bytes are wiped; the caller wipes the text.
    public init(base64URL text: UnsafeRawBufferPointer) throws(JOSEError) {
        // As memory, so that decoding makes no copy that nobody wipes.
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
