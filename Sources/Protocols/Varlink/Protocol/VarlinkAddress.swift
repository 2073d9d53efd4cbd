/// Where a service listens. UAPI.20, "Addresses"; of the kinds there are, this library speaks Unix sockets.
public struct VarlinkAddress: Hashable, Sendable, CustomStringConvertible {
    /// `sockaddr_un.sun_path` has 108 bytes on Linux, the NUL among them.
    public static let maximumPathLength = 107

    /// The socket's path in the file system. Never an abstract name: those have no owner and no mode.
    public let path: String

    /// - Returns: `nil` if the path is empty, longer than 107 bytes, abstract (`@`) or holds a NUL.
    public init?(path: String) {
        guard !path.isEmpty, path.utf8.count <= VarlinkAddress.maximumPathLength, !path.utf8.contains(0),
            path.utf8.first != UInt8(ascii: "@")
        else { return nil }
        self.path = path
    }

    /// Reads `unix:PATH`; properties behind a semicolon (`unix:/run/x;mode=0660`) are overlooked, as UAPI.20 asks of clients.
    public init?(_ text: String) {
        let scheme = "unix:"
        guard text.utf8.starts(with: scheme.utf8) else { return nil }
        let rest = text.utf8.dropFirst(scheme.utf8.count)
        guard let path = String(rest.prefix { $0 != UInt8(ascii: ";") }) else { return nil }
        self.init(path: path)
    }

    public var description: String { "unix:\(path)" }
}
