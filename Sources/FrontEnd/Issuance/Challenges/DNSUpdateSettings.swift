import ACME
import DNS

/// Where and how TXT records are updated, as a user writes it.
public struct DNSUpdateSettings: Hashable, Sendable {
    /// The server that takes updates; `nil` for the primary that each zone names.
    public let server: DNSServerName?
    /// An absolute path; without a key, updates are not signed.
    public let keyFile: String?
    /// `nil` for those of /etc/resolv.conf.
    public let resolver: DNSServer?

    /// How `server` is written if it is `nil`.
    public static let automatic = "auto"

    /// - Parameters:
    ///   - server: `auto`, or an address or host name, with or without a port.
    ///   - resolver: an address, with or without a port.
    /// - Throws: `IssuanceError.solver` with what is wrong.
    public init(server: String, keyFile: String?, resolver: String?) throws(IssuanceError) {
        if server == Self.automatic {
            self.server = nil
        } else {
            guard let name = DNSServerName(server) else {
                throw .solver(
                    nil, reason: "\"\(TerminalText.safe(server, limit: 300))\" is not a DNS server",
                    hint: "write a name or an address, with a port after a colon if it is not 53, or \(Self.automatic)")
            }
            self.server = name
        }
        self.keyFile = keyFile
        self.resolver = try resolver.map { (text) throws(IssuanceError) in
            guard let name = DNSServerName(text), case .address(let address) = name.host else {
                throw .solver(
                    nil, reason: "\"\(TerminalText.safe(text, limit: 300))\" is not the address of a resolver",
                    hint: "write 192.0.2.53, or [2001:db8::53]:5353 with a port")
            }
            return DNSServer(address, port: name.port)
        }
    }

    /// - Throws: `IssuanceError.solver`.
    func key() throws(IssuanceError) -> TSIGKey? {
        guard let path = keyFile else { return nil }
        do throws(TSIGKeyFileError) { return try TSIGKeyFile.read(path) } catch {
            throw .solver(nil, reason: error.description, hint: error.hint)
        }
    }

    public var serverText: String { server?.description ?? Self.automatic }
    public var resolverText: String? { resolver?.description }
}
