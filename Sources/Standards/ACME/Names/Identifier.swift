/// What a certificate is for (RFC 8555 §9.7.7, RFC 8738 §3), always in canonical form.
public enum Identifier: Hashable, Sendable, Comparable, CustomStringConvertible {
    case dns(DNSName)
    case ip(IPAddress)

    /// From ACME's two members. An address given as `dns` is refused: `DNSName` accepts no name whose last label is a
    /// number.
    public init(type: String, value: String) throws(IdentifierError) {
        switch type {
        case "dns": self = .dns(try DNSName(value))
        case "ip": self = .ip(try IPAddress(value))
        default: throw .unknownType(TerminalText.safe(type, limit: 32))
        }
    }

    /// From an argument: an address if it parses as one, otherwise a name, which may be internationalised (RFC 5891).
    public init(argument: String) throws(IdentifierError) {
        if argument.utf8.contains(UInt8(ascii: ":")) {
            self = .ip(try IPAddress(argument))
        } else if let address = try? IPAddress(argument) {
            self = .ip(address)
        } else {
            self = .dns(try DNSName(try InternationalizedName.aLabels(argument)))
        }
    }

    /// `dns` or `ip`.
    public var type: String {
        switch self {
        case .dns: "dns"
        case .ip: "ip"
        }
    }

    /// The canonical text, with `*.` in front of a wildcard.
    public var value: String {
        switch self {
        case .dns(let name): name.text
        case .ip(let address): address.text
        }
    }

    /// Whether it is a name that begins with `*.`.
    public var isWildcard: Bool {
        switch self {
        case .dns(let name): name.isWildcard
        case .ip: false
        }
    }

    public var description: String { value }

    /// Names before addresses.
    public static func < (left: Identifier, right: Identifier) -> Bool {
        switch (left, right) {
        case (.dns(let left), .dns(let right)): left < right
        case (.ip(let left), .ip(let right)): left < right
        case (.dns, .ip): true
        case (.ip, .dns): false
        }
    }
}
