/// Where a service listens. UAPI.20, "Addresses"; this library supports only Unix sockets.
public struct VarlinkAddress: Hashable, Sendable, CustomStringConvertible {
    /// `sockaddr_un.sun_path` has 108 bytes on Linux, including the NUL.
    public static let maximumPathLength = 107

    /// The socket's path in the file system. Never an abstract name: those have no owner and no mode.
    public let path: String

    /// - Returns: `nil` if the path is empty, longer than 107 bytes, abstract (`@`) or contains a NUL.
    public init?(path: String) {
        guard !path.isEmpty, path.utf8.count <= VarlinkAddress.maximumPathLength, !path.utf8.contains(0),
            path.utf8.first != UInt8(ascii: "@")
        else { return nil }
        self.path = path
    }

    /// Parses `unix:PATH`; properties after a semicolon (`unix:/run/x;mode=0660`) are ignored, as UAPI.20 requires of
    /// clients.
    public init?(_ text: String) {
        let scheme = "unix:"
        guard text.utf8.starts(with: scheme.utf8) else { return nil }
        let rest = text.utf8.dropFirst(scheme.utf8.count)
        guard let path = String(rest.prefix { $0 != UInt8(ascii: ";") }) else { return nil }
        self.init(path: path)
    }

    public var description: String { "unix:\(path)" }
}
