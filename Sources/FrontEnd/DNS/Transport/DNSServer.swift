import ACME

/// A server's address and port.
public struct DNSServer: Hashable, Sendable, CustomStringConvertible {
    public static let standardPort = 53

    public var address: IPAddress
    public var port: Int

    public init(_ address: IPAddress, port: Int = DNSServer.standardPort) {
        self.address = address
        self.port = port
    }

    /// Without the standard port.
    public var description: String {
        if port == Self.standardPort { return address.text }
        return address.isIPv4 ? "\(address.text):\(port)" : "[\(address.text)]:\(port)"
    }
}

/// A server as a user names it: an address or a host name, with a port.
public struct DNSServerName: Hashable, Sendable, CustomStringConvertible {
    public enum Host: Hashable, Sendable {
        case address(IPAddress)
        case name(DomainName)
    }

    public var host: Host
    public var port: Int

    public init(_ host: Host, port: Int = DNSServer.standardPort) {
        self.host = host
        self.port = port
    }

    /// From `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`, `ns1.example.org` or
    /// `ns1.example.org:5353`; `nil` if it is none of these.
    public init?(_ text: String) {
        var host = text[...]
        port = DNSServer.standardPort
        if let address = try? IPAddress(text) {
            self.host = .address(address)
            return
        }
        if let colon = text.lastIndex(of: ":") {
            guard let number = UInt16(text[text.index(after: colon)...]), number > 0 else {
                return nil
            }
            port = Int(number)
            host = text[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        if let address = try? IPAddress(String(host)) {
            self.host = .address(address)
        } else if let name = try? ACME.DNSName(String(host)), !name.isWildcard, let domain = try? DomainName(name.text) {
            self.host = .name(domain)
        } else {
            return nil
        }
    }

    public var description: String {
        switch host {
        case .address(let address): DNSServer(address, port: port).description
        case .name(let name): port == DNSServer.standardPort ? "\(name)" : "\(name):\(port)"
        }
    }
}
