import Crypto
import JOSE

/// SHA-256 of a record's line, the link of the chain. A value without heap memory, since every signature makes two of
/// them.
struct AuditHash: Hashable, Sendable {
    /// Stands for the line before the first one: 64 zeros.
    static let none = AuditHash()
    /// Hex digits of a hash.
    static let digits = 64

    private var bytes = SIMD32<UInt8>()

    private init() {}

    init(of line: ArraySlice<UInt8>) { self = line.withUnsafeBytes { AuditHash(of: $0) } }

    init(of line: UnsafeRawBufferPointer) {
        var hasher = SHA256()
        hasher.update(bufferPointer: line)
        hasher.finalize().withUnsafeBytes { digest in
            withUnsafeMutableBytes(of: &bytes) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: digest.prefix($0.count))) }
        }
    }

    /// From lower-case hex; `nil` if the text is not a hash.
    init?(_ text: String) {
        guard text.utf8.count == AuditHash.digits else { return nil }
        for (index, digit) in text.utf8.enumerated() {
            guard let nibble = Hexadecimal.value(of: digit), digit == Hexadecimal.digit(nibble) else { return nil }
            bytes[index / 2] = bytes[index / 2] << 4 | nibble
        }
    }

    /// Lower-case hex.
    var text: String {
        withDigits { String(decoding: $0, as: UTF8.self) }
    }

    /// Lower-case hex, in memory that is valid while `body` runs.
    func withDigits<Result>(_ body: (UnsafeMutableBufferPointer<UInt8>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: AuditHash.digits) { digits in
            withUnsafeBytes(of: bytes) { bytes in
                for (index, byte) in bytes.enumerated() {
                    digits[index * 2] = Hexadecimal.digit(byte >> 4)
                    digits[index * 2 + 1] = Hexadecimal.digit(byte & 15)
                }
            }
            return body(digits)
        }
    }
}
