/// Which identifiers a grant or a setting is for. Compared in canonical form, byte by byte.
public enum IdentifierPattern: Hashable, Sendable, CustomStringConvertible {
    /// `*`: any name and any address. Only if written explicitly.
    case any
    /// `www.example.org`: this name.
    case name(DNSName)
    /// `*.example.org`: names with exactly one label before it; not `example.org` itself, not `a.b.example.org`.
    case subdomains(of: DNSName)
    /// `192.0.2.1`, `2001:db8::1`: this address.
    case address(IPAddress)
    /// `192.0.2.0/24`, `2001:db8::/32`: the addresses of a network (RFC 4632 §3.1, RFC 4291 §2.3).
    case network(IPAddress, length: Int)

    /// Reads one of the forms above.
    /// - Throws: `PatternError`, also for a network with bits set beyond its length.
    public init(_ text: String) throws(PatternError) {
        if text.utf8.elementsEqual("*".utf8) {
            self = .any
        } else if let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), text.utf8[colon...].starts(with: "://".utf8) {
            throw PatternError(text, "it is a URL, not a DNS name or an IP address")
        } else if text.utf8.contains(UInt8(ascii: "/")) {
            self = try IdentifierPattern.network(text)
        } else if text.utf8.starts(with: "*.".utf8) {
            let parent = String(decoding: text.utf8.dropFirst(2), as: UTF8.self)
            guard case .dns(let name) = try IdentifierPattern.identifier(parent, in: text), !Identifier.dns(name).isWildcard else {
                throw PatternError(text, "a star stands for one label, before a DNS name without another star")
            }
            self = .subdomains(of: name)
        } else {
            switch try IdentifierPattern.identifier(text, in: text) {
            case .dns(let name): self = .name(name)
            case .ip(let address): self = .address(address)
            }
        }
    }

    private static func identifier(_ value: String, in text: String) throws(PatternError) -> Identifier {
        do { return try Identifier(argument: value) } catch { throw PatternError(text, "neither a DNS name nor an IP address: \(error)") }
    }

    private static func network(_ text: String) throws(PatternError) -> IdentifierPattern {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 2, let digits = parts.last, (1...3).contains(digits.count), digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            digits.first != 0x30 || digits.count == 1, let length = Int(String(decoding: digits, as: UTF8.self)),
            case .ip(let address) = try identifier(String(decoding: parts[0], as: UTF8.self), in: text), length <= address.bytes.count * 8
        else { throw PatternError(text, "a network is an address, '/' and the number of its leading bits") }
        let isClean = address.bytes.indices.allSatisfy { index in
            address.bytes[index] & ~mask(length: length, byte: index) == 0
        }
        guard isClean else { throw PatternError(text, "the address has bits set beyond the network's length") }
        return .network(address, length: length)
    }

    /// The network's bits in one byte of an address.
    private static func mask(length: Int, byte index: Int) -> UInt8 {
        let bits = min(8, max(0, length - index * 8))
        return bits == 0 ? 0 : UInt8(truncatingIfNeeded: 0xFF00 >> bits)
    }

    /// Whether the identifier is covered. A grant also checks whether a wildcard name is allowed.
    public func covers(_ identifier: Identifier) -> Bool {
        switch (self, identifier) {
        case (.any, _): return true
        case (.name(let name), .dns): return identifier.value.utf8.elementsEqual(Identifier.dns(name).value.utf8)
        case (.subdomains(let parent), .dns):
            // What follows the first dot is the parent: one label, never none and never two.
            let value = identifier.value.utf8
            guard let dot = value.firstIndex(of: UInt8(ascii: ".")), dot != value.startIndex else { return false }
            return value[value.index(after: dot)...].elementsEqual(Identifier.dns(parent).value.utf8)
        case (.address(let address), .ip(let other)): return address.bytes == other.bytes
        case (.network(let network, let length), .ip(let address)):
            guard network.bytes.count == address.bytes.count else { return false }
            return network.bytes.indices.allSatisfy { index in
                (network.bytes[index] ^ address.bytes[index]) & IdentifierPattern.mask(length: length, byte: index) == 0
            }
        default: return false
        }
    }

    public var description: String {
        switch self {
        case .any: "*"
        case .name(let name): Identifier.dns(name).value
        case .subdomains(let parent): "*." + Identifier.dns(parent).value
        case .address(let address): Identifier.ip(address).value
        case .network(let address, let length): "\(Identifier.ip(address).value)/\(length)"
        }
    }
}
