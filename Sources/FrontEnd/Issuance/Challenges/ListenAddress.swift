import ACME

/// An address to listen on.
public struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    public var address: IPAddress
    /// 0 lets the system choose.
    public var port: Int

    public init(address: IPAddress, port: Int) {
        self.address = address
        self.port = port
    }

    /// From `192.0.2.1:80` or `[2001:db8::1]:80`.
    /// - Throws: `IssuanceError.solver` with what is wrong.
    public init(_ text: String) throws {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
            let address = try? IPAddress(Self.withoutBrackets(text[..<colon]))
        else {
            throw IssuanceError.solver(
                nil, reason: "\"\(TerminalText.safe(text, limit: 80))\" is not an address and port",
                hint: "write 192.0.2.1:80 or [2001:db8::1]:80, or 0.0.0.0:80 for all addresses")
        }
        self.init(address: address, port: Int(port))
    }

    private static func withoutBrackets(_ text: Substring) -> String {
        text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : String(text)
    }

    public var description: String { address.isIPv4 ? "\(address.text):\(port)" : "[\(address.text)]:\(port)" }
}
