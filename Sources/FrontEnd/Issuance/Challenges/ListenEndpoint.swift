import ACME

/// Where a challenge's listener gets its connections.
public enum ListenEndpoint: Hashable, Sendable, CustomStringConvertible {
    /// It binds this address.
    case address(ListenAddress)
    /// A listening socket that the process was started with, by its name or number; see `InheritedSockets`.
    case inherited(String)

    private static let prefix = "fd:"

    /// From `fd:NAME`, `192.0.2.1:80` or `[2001:db8::1]:80`.
    /// - Throws: `IssuanceError.solver` with what is wrong.
    public init(_ text: String) throws {
        guard text.hasPrefix(Self.prefix) else {
            self = .address(try ListenAddress(text))
            return
        }
        let name = text.dropFirst(Self.prefix.count)
        guard InheritedSockets.isName(name) else {
            throw IssuanceError.solver(
                nil, reason: "\"\(TerminalText.safe(text, limit: 80))\" does not name a socket",
                hint: "write fd:NAME with the socket unit's FileDescriptorName=, or fd:3 for the first socket")
        }
        self = .inherited(String(name))
    }

    /// Whether a socket there gets every connection that one at `other` would get.
    func covers(_ other: ListenEndpoint) -> Bool {
        if self == other { return true }
        // 0 is a port of its own each time. An IPv6 socket takes no IPv4 connections here.
        guard case .address(let own) = self, case .address(let other) = other, own.port == other.port, own.port > 0 else { return false }
        return own.address.isIPv4 == other.address.isIPv4 && ["0.0.0.0", "::"].contains(own.address.text)
    }

    public var description: String {
        switch self {
        case .address(let address): address.description
        case .inherited(let name): Self.prefix + name
        }
    }
}
