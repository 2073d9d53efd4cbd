import ACME
import CLDNS

/// A domain name as on the wire (RFC 1035 §3.1), in lower case. Two names are equal if and only if their bytes are
/// (RFC 4343).
public struct DomainName: Hashable, Sendable, CustomStringConvertible {
    /// RFC 1035 §2.3.4.
    static let maximumWireLength = 255

    /// Labels, each after its length; ends with the root's zero byte.
    let wire: [UInt8]

    /// From a name in a text such as a zone file's; a dot at the end makes no difference.
    /// - Throws: `DNSError.name`.
    public init(_ text: String) throws(DNSError) {
        guard !text.isEmpty, !text.utf8.contains(0), let name = ldns_dname_new_frm_str(text) else {
            throw .name(TerminalText.safe(text, limit: 300))
        }
        defer { ldns_rdf_deep_free(name) }
        guard let parsed = DomainName(name) else { throw .name(TerminalText.safe(text, limit: 300)) }
        self = parsed
    }

    /// From a name that libldns has read.
    init?(_ data: UnsafePointer<ldns_rdf>?) {
        guard let data, ldns_rdf_get_type(data) == LDNS_RDF_TYPE_DNAME else { return nil }
        self.init(wire: data.bytes)
    }

    private init?(wire: [UInt8]) {
        guard (1...Self.maximumWireLength).contains(wire.count) else { return nil }
        var lower = wire
        var at = 0
        // A length is below 64, so it is never changed as a letter would be.
        while lower[at] != 0 {
            let end = at + 1 + Int(lower[at])
            guard lower[at] <= 63, end < lower.count else { return nil }
            for index in (at + 1)..<end where (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(lower[index]) { lower[index] |= 0x20 }
            at = end
        }
        guard at + 1 == lower.count else { return nil }
        self.wire = lower
    }

    private init(checked wire: [UInt8]) { self.wire = wire }

    public var isRoot: Bool { wire.count == 1 }

    /// The name without its first label; `nil` for the root.
    public var parent: DomainName? {
        guard let length = wire.first, length > 0 else { return nil }
        return DomainName(checked: Array(wire.dropFirst(1 + Int(length))))
    }

    /// Whether it is that name or a name below it.
    public func isWithin(_ zone: DomainName) -> Bool {
        var name: DomainName? = self
        while let current = name, current.wire.count >= zone.wire.count {
            if current == zone { return true }
            name = current.parent
        }
        return false
    }

    /// Without a dot at the end. What is not a letter, digit, hyphen or underscore is escaped (RFC 1035 §5.1), so this
    /// is safe for a terminal.
    public var description: String {
        var text = ""
        var at = 0
        while at < wire.count, wire[at] != 0 {
            let end = min(at + 1 + Int(wire[at]), wire.count)
            if !text.isEmpty { text += "." }
            for byte in wire[(at + 1)..<end] { text += Self.escaped(byte) }
            at = end
        }
        return text.isEmpty ? "." : text
    }

    private static func escaped(_ byte: UInt8) -> String {
        let scalar = Unicode.Scalar(byte)
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "*"):
            return String(Character(scalar))
        case 0x21...0x7E: return "\\" + String(Character(scalar))
        default: return "\\" + String(repeating: "0", count: 3 - String(byte).utf8.count) + String(byte)
        }
    }
}

extension UnsafePointer<ldns_rdf> {
    /// A copy of the data.
    var bytes: [UInt8] {
        guard let data = ldns_rdf_data(self) else { return [] }
        return Array(UnsafeBufferPointer(start: data, count: ldns_rdf_size(self)))
    }
}
