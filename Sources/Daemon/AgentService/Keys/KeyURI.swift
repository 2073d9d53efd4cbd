import JOSE
import TokenProtocol
import TokenSupervisor

/// RFC 7512 URIs of keys. Every byte that is not unreserved is percent-encoded, so that no name needs its own rule.
enum KeyURI {
    /// A URI that a person can give to other tools.
    static func text(label: String, id: [UInt8], _ state: TokenState) -> String {
        var parts: [String] = []
        if case .ready(let information) = state { parts.append("token=" + encode(Array(information.label.utf8))) }
        parts.append("object=" + encode(Array(label.utf8)))
        parts.append("id=" + encodeAll(id))
        parts.append("type=private")
        return "pkcs11:" + parts.joined(separator: ";")
    }

    private static func encode(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: String(Unicode.Scalar(byte))
            default: percent(byte)
            }
        }.joined()
    }

    private static func encodeAll(_ bytes: [UInt8]) -> String { bytes.map(percent).joined() }

    private static func percent(_ byte: UInt8) -> String { "%" + Hexadecimal.encode([byte]).uppercased() }
}
