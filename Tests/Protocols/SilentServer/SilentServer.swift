import Glibc

/// A socket on which the kernel accepts connections, and which never answers. For tests only.
public struct SilentServer {
    private let listener: Int32
    /// For a TCP socket.
    public let port: UInt16

    public struct Failure: Error {
        public var errno: Int32
    }

    /// On a Unix socket at a path.
    public init(path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8).prefix($0.count - 1)) }
        listener = try Self.listen(AF_UNIX, &address)
        port = 0
    }

    /// On a free TCP port of this machine.
    public init() throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        let listener = try Self.listen(AF_INET, &address)
        self.listener = listener
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isKnown = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &size) == 0 }
        }
        guard isKnown else { throw Failure(errno: errno) }
        port = UInt16(bigEndian: address.sin_port)
    }

    private static func listen<Address>(_ family: Int32, _ address: inout Address) throws -> Int32 {
        let listener = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        let size = socklen_t(MemoryLayout<Address>.size)
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, size) == 0 }
        }
        // Nothing is accepted: all connections of a test wait in this queue.
        guard isBound, Glibc.listen(listener, 128) == 0 else { throw Failure(errno: errno) }
        return listener
    }

    public func close() { _ = Glibc.close(listener) }
}
